import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { gathered } from "./gather.ts";

/** Loads that wait until they are let go. */
function held() {
  const sent: string[][] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const ask = gathered<string>(
    async (keys) => {
      sent.push([...keys]);
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      await gate.promise;
      return new Map(keys.filter((key) => key !== "absent").map((key) => [key, `<${key}>`]));
    },
    { keysMax: 3 },
  );
  return { ask, sent, gates };
}

test("questions of one turn share a load, and each gets its own answer", async () => {
  const { ask, sent, gates } = held();
  const answers = Promise.all([ask("a"), ask("b"), ask("a"), ask("absent")]);
  await nextTurn();
  gates[0]?.resolve();
  expect(await answers).toEqual(["<a>", "<b>", "<a>", undefined]);
  expect(sent).toEqual([["a", "b", "absent"]]);
});

test("nobody shares a load that was sent before they asked", async () => {
  const { ask, sent, gates } = held();
  const first = ask("a");
  await nextTurn();
  const second = ask("a");
  await nextTurn();
  expect(sent).toEqual([["a"], ["a"]]);
  gates[1]?.resolve();
  expect(await second).toBe("<a>");
  gates[0]?.resolve();
  await first;
});

test("loads are as large as they may be, and as many", async () => {
  const { ask, sent, gates } = held();
  const keys = Array.from({ length: 10 }, (_, n) => `k${n}`);
  const answers = Promise.all(keys.map(ask));
  await nextTurn();
  expect(sent.map(({ length }) => length)).toEqual([3, 3]);
  for (let n = 0; n < 4; n++) {
    gates[n]?.resolve();
    await nextTurn();
  }
  expect(await answers).toEqual(keys.map((key) => `<${key}>`));
  expect(sent.map(({ length }) => length)).toEqual([3, 3, 3, 1]);
});

test("a load that fails fails for those who share it, and for nobody else", async () => {
  let isBroken = true;
  const ask = gathered<string>(
    async (keys) => {
      if (isBroken) throw new Error("away");
      return new Map(keys.map((key) => [key, key]));
    },
    { keysMax: 3 },
  );
  const results = await Promise.allSettled([ask("a"), ask("b")]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  isBroken = false;
  expect(await ask("a")).toBe("a");
});
