// A stream of requests whose caller rests while the server stops is ended, so that its caller goes
// on with another one; the server would wait for it until it breaks it off. Who goes on sending is
// answered as long as the server waits.

import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "./errors.ts";

const restMsMax = 1_000;

/** The inputs, until the server stops and none has come for a while: then the refusal STOPPING. */
export async function* untilRest<I>(
  inputs: AsyncIterable<I>,
  stopping: AbortSignal,
  restMs = restMsMax,
): AsyncGenerator<I> {
  const iterator = inputs[Symbol.asyncIterator]();
  // One a request: a promise that outlives them would remember all of them.
  let next = Promise.withResolvers<IteratorResult<I>>();
  let timer: NodeJS.Timeout | undefined;
  const watch = () => {
    timer = setTimeout(() => next.reject(isStopping()), restMs);
  };
  stopping.addEventListener("abort", watch);
  try {
    for (;;) {
      next = Promise.withResolvers();
      iterator.next().then(next.resolve, next.reject);
      if (stopping.aborted) watch();
      const { done, value } = await next.promise;
      clearTimeout(timer);
      if (done) return;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    stopping.removeEventListener("abort", watch);
  }
}

function isStopping() {
  const message = "the server is stopping: send to another one what was not answered";
  return refuseRequest(RequestRefusal.STOPPING, message);
}
