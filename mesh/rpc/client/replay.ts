// The requests of a stream, for an attempt that may have to be made again: what was read is kept
// until the server has begun to answer, as long as it is little.

export type Replay<T> = {
  /** All requests from the first one, for one more attempt. The attempt before gets no more. */
  readonly read: () => AsyncIterable<T>;
  /** Another attempt would find every request. */
  readonly isWhole: () => boolean;
  /** Nothing is kept from now on: there will be no other attempt. */
  readonly commit: () => void;
  /** The call is over: nobody reads on. */
  readonly end: (error: Error | undefined) => void;
};

const keptMax = 8;

export function createReplay<T>(input: AsyncIterable<T>): Replay<T> {
  const source = input[Symbol.asyncIterator]();
  let kept: Promise<IteratorResult<T>>[] = [];
  let isWhole = true;
  let isCommitted = false;
  let isOver = false;
  let reader = 0;

  function pull(): Promise<IteratorResult<T>> {
    const result = source.next();
    if (isCommitted || !isWhole) return result;
    if (kept.length < keptMax) {
      kept.push(result);
    } else {
      isWhole = false;
      kept = [];
    }
    return result;
  }

  return {
    isWhole: () => isWhole && !isCommitted,
    read() {
      reader += 1;
      const own = reader;
      let place = 0;
      const next = (): Promise<IteratorResult<T>> => {
        if (own !== reader || isOver) return Promise.resolve({ done: true, value: undefined });
        const again = kept[place];
        place += 1;
        return again ?? pull();
      };
      // Connect asks for it, to end a call whose requests are still being read.
      const abort = (reason: unknown) => Promise.reject(reason);
      return { [Symbol.asyncIterator]: () => ({ next, throw: abort }) };
    },
    commit() {
      isCommitted = true;
    },
    end(error) {
      if (isOver) return;
      isOver = true;
      // Generators clean up; what they say to it has no place to go.
      if (error) source.throw?.(error).catch(() => undefined);
      source.return?.().catch(() => undefined);
    },
  };
}
