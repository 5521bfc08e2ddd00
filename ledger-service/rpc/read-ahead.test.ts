import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Begun, readAhead } from "./read-ahead.ts";

const wide = { countMax: 1_000, weightMax: 1_000 };

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n;
}

/** Answers are given by hand. */
function byHand(weightOf: (n: number) => number = () => 1) {
  const begun: PromiseWithResolvers<number>[] = [];
  const begin = (n: number): Begun<number> => {
    const answer = Promise.withResolvers<number>();
    begun.push(answer);
    return { weight: weightOf(n), answer: answer.promise };
  };
  return { begun, begin };
}

const at = (n: number): Begun<number> => ({ weight: 1, answer: Promise.resolve(n) });

/** Enough for everything that waits for nothing else. */
async function settle(): Promise<void> {
  for (let n = 0; n < 50; n++) await turn();
}

test("answers come in the order of their inputs, whichever is there first", async () => {
  const { begun, begin } = byHand();
  const answers = Array.fromAsync(readAhead(numbers(3), begin, wide));
  await settle();
  expect(begun).toHaveLength(3);
  for (const place of [2, 0, 1]) {
    begun[place]?.resolve(place * 10);
    await turn();
  }
  expect((await answers).flat()).toEqual([0, 10, 20]);
});

test("answers that are there together are given together", async () => {
  const { begun, begin } = byHand();
  const answers = readAhead(numbers(4), begin, wide);
  const first = answers.next();
  await settle();
  for (const [place, one] of begun.entries()) if (place < 3) one.resolve(place);
  await settle();
  const given = [...((await first).value ?? []), ...((await answers.next()).value ?? [])];
  expect(given).toEqual([0, 1, 2]);
});

test("no inputs have no answers", async () => {
  expect(await Array.fromAsync(readAhead(numbers(0), at, wide))).toEqual([]);
});

test.each([
  ["their number", { countMax: 5, weightMax: 1_000 }, () => 1],
  ["their weight", { countMax: 1_000, weightMax: 10 }, () => 2],
])("what is read ahead is bounded by %s, until answers are taken", async (_, bounds, weightOf) => {
  const { begun, begin } = byHand(weightOf);
  const answers = readAhead(numbers(100), begin, bounds);
  const first = answers.next();
  await settle();
  expect(begun).toHaveLength(5);
  begun[0]?.resolve(0);
  await first;
  await settle();
  // It was given, but not yet taken: nobody asked for the next one.
  expect(begun).toHaveLength(5);
  const second = answers.next();
  await settle();
  expect(begun).toHaveLength(6);
  begun[1]?.resolve(1);
  await second;
  await answers.return(undefined);
});

test("one that is heavier than all that is allowed is begun by itself", async () => {
  const begin = (n: number): Begun<number> => ({ weight: 99, answer: Promise.resolve(n) });
  const answers = await Array.fromAsync(
    readAhead(numbers(3), begin, { countMax: 9, weightMax: 1 }),
  );
  expect(answers.flat()).toEqual([0, 1, 2]);
});

test.each<[string, AsyncIterable<number>, (n: number) => Begun<number>]>([
  [
    "the inputs",
    (async function* () {
      yield* numbers(3);
      throw new Error("broken");
    })(),
    at,
  ],
  [
    "the beginning of one",
    numbers(9),
    (n) => {
      if (n === 3) throw new Error("broken");
      return at(n);
    },
  ],
  [
    "an answer",
    numbers(9),
    (n) => (n === 3 ? { weight: 1, answer: Promise.reject(new Error("broken")) } : at(n)),
  ],
])("an error of %s comes behind the answers before it", async (_, inputs, begin) => {
  const taken: number[] = [];
  const all = (async () => {
    for await (const answers of readAhead(inputs, begin, wide)) taken.push(...answers);
  })();
  await expect(all).rejects.toThrow("broken");
  expect(taken).toEqual([0, 1, 2]);
});

test("nothing more is begun once an answer has failed, even before its turn", async () => {
  const { begun, begin } = byHand();
  const answers = readAhead(numbers(100), begin, { countMax: 3, weightMax: 1_000 });
  const first = answers.next();
  await settle();
  begun[1]?.reject(new Error("broken"));
  await settle();
  begun[0]?.resolve(0);
  expect((await first).value).toEqual([0]);
  await expect(answers.next()).rejects.toThrow("broken");
  await settle();
  expect(begun).toHaveLength(3);
});

test("who leaves early begins nothing more, and no failure goes unheard", async () => {
  const { begun, begin } = byHand();
  let ended = false;
  async function* endless() {
    try {
      for (let n = 0; ; n++) {
        await turn();
        yield n;
      }
    } finally {
      ended = true;
    }
  }
  const answers = readAhead(endless(), begin, { countMax: 3, weightMax: 1_000 });
  const first = answers.next();
  await settle();
  begun[0]?.resolve(0);
  await first;
  await answers.return(undefined);
  for (const one of begun.slice(1)) one.reject(new Error("nobody waits for it"));
  await settle();
  expect(begun.length).toBeLessThanOrEqual(4);
  expect(ended).toBe(true);
});
