import { expect, test } from "vitest";
import { createReplay } from "./replay.ts";

test("a second reader finds every request, the first one no more", async () => {
  const replay = createReplay(numbers(4));
  const first = replay.read()[Symbol.asyncIterator]();
  expect([await first.next(), await first.next()].map(({ value }) => value)).toEqual([0, 1]);
  expect(await all(replay.read())).toEqual([0, 1, 2, 3]);
  expect(await first.next()).toEqual({ done: true, value: undefined });
});

test("a request that the first reader still waits for goes to the second", async () => {
  const gate = Promise.withResolvers<number>();
  const replay = createReplay(
    (async function* () {
      yield await gate.promise;
    })(),
  );
  void replay.read()[Symbol.asyncIterator]().next();
  const second = all(replay.read());
  gate.resolve(7);
  expect(await second).toEqual([7]);
});

test("only a little is kept", async () => {
  const replay = createReplay(numbers(20));
  expect(replay.isWhole()).toBe(true);
  expect(await all(replay.read())).toHaveLength(20);
  expect(replay.isWhole()).toBe(false);
});

test("nothing is kept once the server has begun", async () => {
  const replay = createReplay(numbers(3));
  replay.commit();
  expect(replay.isWhole()).toBe(false);
  expect(await all(replay.read())).toEqual([0, 1, 2]);
});

test("the end of the call ends what makes the requests", async () => {
  let cleaned = false;
  const replay = createReplay(
    (async function* () {
      try {
        for (;;) yield 1;
      } finally {
        cleaned = true;
      }
    })(),
  );
  const reader = replay.read()[Symbol.asyncIterator]();
  await reader.next();
  replay.end(new Error("over"));
  expect(await reader.next()).toEqual({ done: true, value: undefined });
  await expect.poll(() => cleaned).toBe(true);
});

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n++) yield n;
}

async function all<T>(input: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of input) found.push(each);
  return found;
}
