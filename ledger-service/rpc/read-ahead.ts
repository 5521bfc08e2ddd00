// Answers a stream of requests in order, with many of them under way at once. What is read ahead of
// the answers is bounded: who does not read them is not read from either.

/** Something that is under way. */
export type Begun<O> = { readonly weight: number; readonly answer: Promise<O> };

export type ReadAheadBounds = { readonly countMax: number; readonly weightMax: number };

type Waiting<O> = Begun<O> & { isThere: boolean };

/**
 * Yields the answers that are there, at least one at a time, in the order of the inputs. An error
 * of the inputs, of `begin` or of an answer comes behind the answers before it; once it is there,
 * nothing more is begun.
 */
export async function* readAhead<I, O>(
  inputs: AsyncIterable<I>,
  begin: (input: I) => Begun<O>,
  { countMax, weightMax }: ReadAheadBounds,
): AsyncGenerator<readonly O[]> {
  const waiting: Waiting<O>[] = [];
  let weight = 0;
  let end: { readonly error?: unknown } | undefined;
  let isLeft = false;
  let changed = Promise.withResolvers<void>();

  function change(): void {
    changed.resolve();
    changed = Promise.withResolvers();
  }

  function leave(): void {
    isLeft = true;
    change();
  }

  async function read(): Promise<void> {
    try {
      for await (const input of inputs) {
        if (isLeft) return;
        const one: Waiting<O> = { ...begin(input), isThere: false };
        one.answer.then(
          () => {
            one.isThere = true;
          },
          // It is met when its turn comes. What would come behind it is not begun any more.
          leave,
        );
        waiting.push(one);
        weight += one.weight;
        change();
        while (!isLeft && (waiting.length >= countMax || weight >= weightMax)) {
          await changed.promise;
        }
      }
      end = {};
    } catch (error) {
      end = { error };
    }
    change();
  }

  void read();
  try {
    for (;;) {
      const first = waiting[0];
      if (first) {
        const answers = [await first.answer];
        while (waiting[answers.length]?.isThere) {
          answers.push(await waiting[answers.length]!.answer);
        }
        yield answers;
        // Only now: they were taken.
        for (const taken of waiting.splice(0, answers.length)) weight -= taken.weight;
        change();
      } else if (end) {
        if ("error" in end) throw end.error;
        return;
      } else {
        await changed.promise;
      }
    }
  } finally {
    // The inputs' owner ends them; until then nothing more is begun.
    leave();
  }
}
