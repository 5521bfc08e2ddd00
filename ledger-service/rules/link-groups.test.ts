import { expect, test } from "vitest";
import { decide, preparedBooks } from "../testing/books.ts";
import { preparedSequence, sale } from "../testing/ledger.ts";
import { createBooks } from "./books.ts";
import type { Command, Outcome } from "./commands.ts";
import { type Asked, decideAll, unitsOf } from "./link-groups.ts";

const first = preparedSequence + 1n;
const bad = { preconditions: [versioned(99n)] };

function versioned(version: bigint) {
  const account = { accountCode: "assets:cash", assetCode: "USD" };
  return { account, balance: undefined, available: undefined, version };
}

/** All of them in one group. */
function grouped(...commands: readonly Command[]): Asked[] {
  const group = {};
  return commands.map((command, place) => ({ command, place, group, traceparent: `t${place}` }));
}

function told(outcome: Outcome): string {
  if (outcome.kind !== "refused") return outcome.kind;
  return outcome.refusal.reason;
}

test("a group is posted, dense, each with the balances right after it", () => {
  const books = preparedBooks();
  const outcomes = decideAll(books, grouped(sale("a", 1n), sale("b", 2n), sale("c", 3n)));
  expect(outcomes).toMatchObject(
    [1n, 3n, 6n].map((debitsMinor, place) => ({
      kind: "written",
      sequence: first + BigInt(place),
      balances: [{ debitsMinor }, {}],
    })),
  );
  expect(books.written.traceparents.get(first + 2n)).toBe("t2");
});

test("one at fault is told why, the others which one it was, and all keys are used up", () => {
  const books = preparedBooks();
  const group = grouped(sale("a", 1n), sale("b", 2n, bad), sale("c", 3n));
  const outcomes = decideAll(books, group);
  expect(outcomes).toEqual([
    { kind: "refused", refusal: { reason: "linked-refused", index: 1 } },
    { kind: "refused", refusal: expect.objectContaining({ reason: "precondition-failed" }) },
    { kind: "refused", refusal: { reason: "linked-refused", index: 1 } },
  ]);
  expect(books.written.entries).toEqual([]);
  expect(books.written.keys).toMatchObject(
    ["a", "b", "c"].map((key, place) => ({ key, sequence: first + BigInt(place), refused: true })),
  );
  expect(books.written.traceparents.get(first + 2n)).toBe("t2");

  const { sequence } = books;
  expect(decideAll(books, group)).toEqual(
    [0n, 1n, 2n].map((n) => ({ kind: "stays-refused", sequence: first + n })),
  );
  expect(books.sequence).toBe(sequence);
});

test("a group that was posted is replayed", () => {
  const books = preparedBooks();
  const group = grouped(sale("a", 1n), sale("b", 2n));
  decideAll(books, group);
  expect(decideAll(books, group)).toMatchObject([
    { kind: "written", sequence: first, replayed: true },
    { kind: "written", sequence: first + 1n, replayed: true },
  ]);
});

test("what was posted before counts as accepted, and stays whatever becomes of the rest", () => {
  const books = preparedBooks();
  const old = sale("old", 1n);
  decide(books, old);
  expect(decideAll(books, grouped(sale("a", 1n), old)).map(told)).toEqual(["written", "written"]);
  const fails = grouped(sale("b", 1n), old, sale("c", 1n, bad));
  expect(decideAll(books, fails).map(told)).toEqual([
    "linked-refused",
    "written",
    "precondition-failed",
  ]);
});

test("a key that was used for something else is at fault, and keeps what it stands for", () => {
  const books = preparedBooks();
  decide(books, sale("old", 1n));
  const outcomes = decideAll(books, grouped(sale("a", 1n), sale("old", 2n)));
  expect(outcomes).toMatchObject([
    { refusal: { reason: "linked-refused", index: 1 } },
    { refusal: { reason: "idempotency-conflict", sequence: first } },
  ]);
  expect(decide(books, sale("old", 1n))).toMatchObject([{ kind: "written", replayed: true }]);
});

test("a key that was refused before brings its new group down", () => {
  const books = preparedBooks();
  const refused = sale("old", 1n, bad);
  decide(books, refused);
  const outcomes = decideAll(books, grouped(sale("a", 1n), refused));
  expect(outcomes).toMatchObject([
    { refusal: { reason: "linked-refused", index: 1 } },
    { kind: "stays-refused", sequence: first },
  ]);
});

test("a group with one request twice posts it once", () => {
  const twice = sale("a", 1n);
  const outcomes = decideAll(preparedBooks(), grouped(twice, twice));
  expect(outcomes).toMatchObject([{ replayed: false }, { replayed: true, sequence: first }]);
  const fails = decideAll(preparedBooks(), grouped(twice, twice, sale("b", 1n, bad)));
  expect(fails.map(told)).toEqual(["linked-refused", "stays-refused", "precondition-failed"]);
});

test("a group whose two requests claim one key posts neither", () => {
  const outcomes = decideAll(preparedBooks(), grouped(sale("a", 1n), sale("a", 2n)));
  expect(outcomes).toMatchObject([
    { refusal: { reason: "linked-refused", index: 1 } },
    { refusal: { reason: "idempotency-conflict", sequence: first } },
  ]);
});

test("a later request of a group sees what the earlier ones did", () => {
  const books = preparedBooks();
  const after = sale("b", 1n, { preconditions: [versioned(1n)] });
  const outcomes = decideAll(books, grouped(sale("a", 1n), after));
  expect(outcomes.map(told)).toEqual(["written", "written"]);
});

test("a group that fails leaves those around it alone", () => {
  const books = preparedBooks();
  const alone = (command: Command): Asked => ({ command, traceparent: undefined });
  const outcomes = decideAll(books, [
    alone(sale("before", 1n)),
    ...grouped(sale("a", 1n), sale("b", 1n, bad)),
    alone(sale("after", 1n, { preconditions: [versioned(1n)] })),
  ]);
  expect(outcomes.map(told)).toEqual([
    "written",
    "linked-refused",
    "precondition-failed",
    "written",
  ]);
  expect(books.written.facts.map(({ sequence }) => sequence)).toEqual(
    Array.from({ length: Number(books.sequence) }, (_, n) => BigInt(n + 1)),
  );
});

test("without a ledger every request of a group is told so, and no key is used up", () => {
  const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
  const outcomes = decideAll(books, grouped(sale("a", 1n), sale("b", 1n)));
  expect(outcomes.map(told)).toEqual(["ledger-not-found", "ledger-not-found"]);
  expect(books.sequence).toBe(0n);
});

test("units are groups and single requests, in order", () => {
  const [g, h] = [{}, {}];
  const groups = [undefined, g, g, h, undefined, undefined];
  const units = unitsOf(groups.map((group) => ({ group })));
  expect(units.map((unit) => unit.length)).toEqual([1, 2, 1, 1, 1]);
});
