// Steps into a stream of messages without changing it.

/** Calls back once, when the stream has ended (undefined), failed, or was left. */
export async function* onEnd<T>(
  messages: AsyncIterable<T>,
  ended: (error: unknown) => void,
): AsyncIterable<T> {
  let failure: unknown;
  try {
    yield* messages;
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    ended(failure);
  }
}

/** Each message passes through `look`, which may throw. */
export async function* eachMessage<T>(
  messages: AsyncIterable<T>,
  look: (message: T) => void,
): AsyncIterable<T> {
  for await (const message of messages) {
    look(message);
    yield message;
  }
}

/** Runs every step of the stream through `step`: its context, its time limit. */
export async function* steppedBy<T>(
  messages: AsyncIterable<T>,
  step: <R>(work: () => Promise<R>) => Promise<R>,
): AsyncIterable<T> {
  const iterator = messages[Symbol.asyncIterator]();
  let finished = false;
  try {
    for (;;) {
      const result = await step(() => iterator.next());
      if (result.done) {
        finished = true;
        return;
      }
      yield result.value;
    }
  } finally {
    // Not awaited: a handler that ignores its signal must not hold the answer back.
    if (!finished) Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
