// Questions that come while a statement is under way share the next one, so that a
// busy service sends few and large statements. Nobody shares one that was sent
// before they asked: what was committed before a question is seen by its answer.

export type GatherOptions = {
  /** Keys that share a statement. */
  readonly keysMax: number;
};

/** Under way at once. Another one would only make both smaller; it is there for a slow one. */
const statementsMax = 2;

type Waiting<V> = { readonly key: string; readonly answered: PromiseWithResolvers<V | undefined> };

/** What `load` does not return is answered with undefined. */
export function gathered<V>(
  load: (keys: readonly string[]) => Promise<ReadonlyMap<string, V>>,
  { keysMax }: GatherOptions,
): (key: string) => Promise<V | undefined> {
  const waiting: Waiting<V>[] = [];
  let underWay = 0;
  let isDue = false;

  function send(): void {
    isDue = false;
    while (waiting.length > 0 && underWay < statementsMax) {
      const batch = takeBatch();
      underWay += 1;
      void answer(batch);
    }
  }

  /** However many ask for the same, it is one key. */
  function takeBatch(): Waiting<V>[] {
    const keys = new Set<string>();
    const end = waiting.findIndex(({ key }) => keys.add(key).size > keysMax);
    return waiting.splice(0, end === -1 ? waiting.length : end);
  }

  async function answer(batch: readonly Waiting<V>[]): Promise<void> {
    try {
      const found = await load([...new Set(batch.map(({ key }) => key))]);
      for (const { key, answered } of batch) answered.resolve(found.get(key));
    } catch (error) {
      for (const { answered } of batch) answered.reject(error);
    }
    underWay -= 1;
    send();
  }

  return (key) => {
    const answered = Promise.withResolvers<V | undefined>();
    waiting.push({ key, answered });
    // At the end of this turn, with all that came in it.
    if (!isDue && underWay < statementsMax) {
      isDue = true;
      setImmediate(send);
    }
    return answered.promise;
  };
}
