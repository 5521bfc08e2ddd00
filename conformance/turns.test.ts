import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createTurns } from "./turns.ts";

test("the next message waits for the answer to the last", async () => {
  const turns = createTurns(true);
  const order: string[] = [];
  const sending = turns.next().then(() => order.push("may send"));
  await sleep(1);
  order.push("answered");
  turns.answered();
  await sending;
  expect(order).toEqual(["answered", "may send"]);
});

test("an answer that came first is not waited for", async () => {
  const turns = createTurns(true);
  turns.answered();
  await turns.next();
});

test("nobody waits once no answer can come", async () => {
  const turns = createTurns(true);
  const sending = turns.next();
  turns.over();
  await sending;
  await turns.next();
});

test("where both sides speak when they like, nobody waits", async () => {
  const turns = createTurns(false);
  await turns.next();
  await turns.next();
});
