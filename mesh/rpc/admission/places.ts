// The places that calls hold: taken once a call may begin, given back once, with its record.

import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import type { CallRecord, Recorder } from "../call-record.ts";
import type { AskingCall, CallEnd, MethodAdmission } from "./admission.ts";

export type Places = {
  /** Throws the refusal. */
  readonly enter: (record: CallRecord, admission: MethodAdmission, call: AskingCall) => void;
  /** The recorder, which also gives the place back. */
  readonly leftBy: (recorder: Recorder) => Recorder;
};

export function createPlaces(): Places {
  const taken = new WeakMap<CallRecord, MethodAdmission>();
  return {
    enter(record, admission, call) {
      const refusal = admission.enter(call, performance.now());
      if (refusal) throw refusal;
      taken.set(record, admission);
    },
    leftBy: (recorder) => ({
      ...recorder,
      close(record, error) {
        if (record.closed) return;
        recorder.close(record, error);
        taken.get(record)?.leave(endOf(error), record.startedAt, performance.now());
      },
    }),
  };
}

function endOf(error: ConnectError | undefined): CallEnd {
  if (error === undefined) return "answered";
  const isCut = error.code === Code.DeadlineExceeded || error.code === Code.Canceled;
  return isCut ? "cut" : "failed";
}
