// Outermost: closes the record of every call whose request was read.

import { ConnectError, type Interceptor } from "@connectrpc/connect";
import { type Recorder, recordKey } from "../call-record.ts";
import { onEnd } from "./stream.ts";

export function recording(recorder: Recorder): Interceptor {
  return (next) => async (request) => {
    const record = request.contextValues.get(recordKey);
    if (record === undefined) return next(request);
    record.entered = true;
    try {
      const response = await next(request);
      if (response.stream) {
        const message = onEnd(response.message, (error) => {
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
