// Outermost: closes the record of every call whose request was read, and runs all that is inside it
// in the call's span.

import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { inSpan } from "../../telemetry/trace.ts";
import { type Recorder, recordKey } from "../call-record.ts";
import { onEnd, steppedBy } from "./stream.ts";

export function recording(recorder: Recorder): Interceptor {
  return (next) => async (request) => {
    const record = request.contextValues.get(recordKey);
    if (record === undefined) return next(request);
    record.entered = true;
    try {
      const response = await inSpan(record.span, () => next(request));
      if (response.stream) {
        const stepped = steppedBy(response.message, (step) => inSpan(record.span, step));
        const message = onEnd(stepped, (error) => {
          recorder.close(record, error === undefined ? undefined : ConnectError.from(error));
        });
        return { ...response, message };
      }
      recorder.close(record, undefined);
      return response;
    } catch (error) {
      recorder.close(record, ConnectError.from(error));
      throw error;
    }
  };
}
