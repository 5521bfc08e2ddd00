import { expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Answer } from "./answer.ts";
import {
  entry,
  ledgerId,
  openLedgerDatabase,
  openPoster,
  posting,
  preparedSequence,
  prepareLedger,
  sale,
  submit,
} from "./testing/ledger.ts";
import { verifyLedger } from "./verify/verify.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const linked = (key: string, linkGroup = "g") => sale(key, 1n, { linkGroup });
const unknown = (key: string, linkGroup = "g") => {
  const lines = [entry("debit", "assets:nobody", 1n), entry("credit", "income:sales", 1n)];
  return posting(key, lines, { linkGroup });
};

test("a group is written side by side, and answered where each of it was asked", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const answers = await submit(
    poster,
    sale("first", 1n),
    linked("g1"),
    sale("between", 1n),
    linked("g2"),
    linked("h1", "h"),
    sale("last", 1n),
    linked("g3"),
  );
  expect(answers.map(offsetOf)).toEqual([1n, 2n, 5n, 3n, 6n, 7n, 4n]);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a refused group is refused whole, with the place of the one at fault, for ever", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const commands = [linked("g1"), sale("alone", 1n), unknown("g2"), linked("g3")];
  const answers = await submit(poster, ...commands);
  const refused = (refusal: Refusal, more = {}) => {
    return { kind: "refused", detail: { refusal, ...more } };
  };
  expect(answers).toMatchObject([
    refused(Refusal.LINKED_REFUSED, { index: 2, idempotencyKey: "g1" }),
    { kind: "written" },
    refused(Refusal.ACCOUNT_NOT_FOUND, { idempotencyKey: "g2" }),
    refused(Refusal.LINKED_REFUSED, { index: 2, idempotencyKey: "g3" }),
  ]);
  const again = await submit(poster, ...commands);
  const details = (of: readonly Answer[]) => of.map((it) => (it.kind === "refused" ? it : it.kind));
  expect(details(again)).toEqual(details(answers));
  const [head] = await database.pool`select head_sequence from ledger`;
  expect(head?.["head_sequence"]).toBe(preparedSequence + 4n);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("groups of one name in two calls have nothing to do with each other", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const calls = [submit(poster, sale("busy", 1n))];
  calls.push(submit(poster, linked("a1"), unknown("a2")), submit(poster, linked("b1")));
  const [, bad, good] = await Promise.all(calls);
  expect(bad?.map(({ kind }) => kind)).toEqual(["refused", "refused"]);
  expect(good?.map(({ kind }) => kind)).toEqual(["written"]);
});

test("a group is never spread over two batches, wherever it stands in the queue", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  // The first batch is under way while the others queue: 995 and 5 fit into the next one, not 995 and 40.
  const calls = [submit(poster, sale("busy", 1n))];
  calls.push(submit(poster, ...numbers(995).map((n) => sale(`k${n}`, 1n))));
  calls.push(submit(poster, ...numbers(40).map((n) => linked(`g${n}`))));
  const [, , group] = await Promise.all(calls);
  const sequences = group!.map(offsetOf);
  const batches = await database.pool<{ first: bigint; last: bigint }[]>`
    select first_sequence - ${preparedSequence} as first,
      last_sequence - ${preparedSequence} as last
    from batch order by first_sequence
  `;
  const holding = batches.filter(({ first, last }) => {
    return sequences.some((sequence) => sequence >= first && sequence <= last);
  });
  expect(holding).toHaveLength(1);
  expect(new Set(sequences).size).toBe(40);
});

test("a group with something that the database cannot store fails whole, and alone", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  // The door refuses such a key; here it stands for anything that only the database notices.
  const calls = [
    submit(poster, sale("a", 1n)),
    submit(poster, sale("b", 1n)),
    submit(poster, linked("g1"), linked("g2\0"), linked("g3")),
    submit(poster, linked("h1"), linked("h2")),
    submit(poster, sale("c", 1n)),
  ];
  const results = await Promise.allSettled(calls);
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  const rows = await database.pool<{ key: string }[]>`
    select key from idempotency where not refused order by key
  `;
  expect(rows.map(({ key }) => key)).toEqual(["a", "b", "c", "h1", "h2"]);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

function offsetOf(answer: Answer): bigint {
  if (answer.kind !== "written") throw new Error(`not posted: ${answer.kind}`);
  return answer.row.sequence - preparedSequence;
}
