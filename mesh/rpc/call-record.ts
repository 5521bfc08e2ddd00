// One record a call, from its first header to its answer: every call is counted
// and logged exactly once, however far it came: refused at the gate, lost while
// its body was read, or answered by its handler.

import type { DescMethod } from "@bufbuild/protobuf";
import { Code, type ConnectError, createContextKey } from "@connectrpc/connect";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { traceId } from "./deadline.ts";

export type CallRecord = {
  readonly method: DescMethod;
  readonly startedAt: number;
  /** W3C trace context of this call. */
  readonly traceparent: string;
  identity: string | undefined;
  /** True once the request was read and the handler's side of the call has begun. */
  entered: boolean;
  closed: boolean;
};

export const recordKey = createContextKey<CallRecord | undefined>(undefined);

export type Recorder = {
  /** Counts the outcome, once; `error` is what was answered, undefined for success. */
  readonly close: (record: CallRecord, error: ConnectError | undefined) => void;
};

export function createRecorder(log: Log, metrics: Metrics): Recorder {
  const requests = metrics.counter({
    name: "bursar_rpc_requests_total",
    help: "RPCs answered, by method and code",
    labels: ["method", "code"],
  });
  const durations = metrics.histogram({
    name: "bursar_rpc_duration_seconds",
    help: "Time from the headers of an RPC to its answer",
    labels: ["method"],
  });
  return {
    close(record, error) {
      if (record.closed) return;
      record.closed = true;
      const method = `${record.method.parent.typeName}/${record.method.name}`;
      const code = error === undefined ? "ok" : codeName(error.code);
      const seconds = (performance.now() - record.startedAt) / 1_000;
      requests.inc({ method, code });
      durations.observe({ method }, seconds);
      const { identity } = record;
      const durationMs = Math.round(seconds * 1_000_000) / 1_000;
      const fields = { method, code, identity, traceId: traceId(record.traceparent), durationMs };
      if (error === undefined) log.debug("call answered", fields);
      else log.info("call refused or failed", { ...fields, reason: error.rawMessage });
    },
  };
}

/** `DeadlineExceeded` → `deadline_exceeded`, as the Connect protocol spells it. */
export function codeName(code: Code): string {
  return (Code[code] ?? "unknown").replace(/(?!^)[A-Z]/g, "_$&").toLowerCase();
}
