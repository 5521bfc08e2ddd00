import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { AuditService, type StreamEventsResponse } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { openPoster, posting } from "../testing/ledger.ts";
import {
  type AuditClient,
  errorOf,
  expectRefusal,
  schoolId as ledgerId,
  openAccount,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let audit: AuditClient;

beforeAll(async () => {
  school = await openSchool();
  audit = school.audit;
});
afterAll(() => school[Symbol.asyncDispose]());

test("every fact is sent once, in order, as the event that it is", async () => {
  const crooked = saleRequest("crooked", 5n);
  crooked.entries[1]!.amountMinor = 4n;
  await school.client.postTransaction(saleRequest("a sale", 3n));
  await errorOf(school.client.postTransaction(crooked));
  const events = await collect({ ledgerId, untilHead: true });
  expect(events.map(({ ledgerSequence }) => ledgerSequence)).toEqual(upTo(events.length));
  expect(events.map(({ event }) => event.case)).toEqual([
    "ledgerCreated",
    "assetRegistered",
    "assetRegistered",
    ...Array(4).fill("accountOpened"),
    "transactionPosted",
    "transactionRefused",
  ]);
  expect(events[7]?.event.value).toMatchObject({ transaction: { idempotencyKey: "a sale" } });
  const later = await collect({ ledgerId, afterSequence: 7n, untilHead: true });
  expect(later).toEqual(events.slice(7));
  expect(await collect({ ledgerId, afterSequence: 9n, untilHead: true })).toEqual([]);
});

test("a follower sees what two writers commit, once and in order, across a cut", async () => {
  await school.client.createLedger({ ledgerId: "followed" });
  await school.client.registerAsset({ ledgerId: "followed", assetCode: "USD", scale: 2 });
  for (const [code, kind] of accounts) {
    await openAccount(school.client, code, kind, { ledgerId: "followed" });
  }
  // Another process of the service: nobody here is told of its commits.
  await using other = openPoster(school.database);
  const each = 300;
  const here = Array.from({ length: each }, (_, n) => {
    const request = { ...saleRequest(`here ${n}`, 1n), ledgerId: "followed" };
    return () => school.client.postTransaction(request);
  });
  const there = Array.from({ length: each }, (_, n) => {
    const entries = saleRequest("", 1n).entries.map(({ account, amountMinor }, place) => {
      return { account, amountMinor, side: place === 0 ? "debit" : "credit" } as const;
    });
    const command = posting(`there ${n}`, entries);
    return () => other.submit("followed", [command], new AbortController().signal);
  });
  const last = BigInt(4 + 2 * each);
  const seen: bigint[] = [];
  const following = (async () => {
    while (seen.length < Number(last)) {
      const cutAfter = seen.length + 150;
      const request = { ledgerId: "followed", afterSequence: seen.at(-1) ?? 0n };
      const cut = new AbortController();
      try {
        for await (const { ledgerSequence } of audit.streamEvents(request, cut)) {
          seen.push(ledgerSequence);
          if (seen.length !== cutAfter && ledgerSequence !== last) continue;
          cut.abort();
          break;
        }
      } catch (error) {
        if (!cut.signal.aborted) throw error;
      }
    }
  })();
  await Promise.all([inTens(here), inTens(there), following]);
  expect(seen).toEqual(upTo(Number(last)));
});

const accounts = [
  ["assets:cash", AccountKind.ASSET],
  ["income:sales", AccountKind.INCOME],
] as const;

test("a follower that does not read is not read for, and misses nothing later", async () => {
  const leaving = new AbortController();
  const stream = audit.streamEvents({ ledgerId }, leaving)[Symbol.asyncIterator]();
  const first = await stream.next();
  for (let n = 0; n < 20; n++) await school.client.postTransaction(saleRequest(`slow ${n}`, 1n));
  const { ledger } = await school.client.getLedger({ ledgerId });
  const seen = [first.value.ledgerSequence];
  while (seen.at(-1) !== ledger?.headSequence) {
    seen.push((await stream.next()).value.ledgerSequence);
  }
  expect(seen).toEqual(upTo(seen.length));
  leaving.abort();
});

test("a follower is refused when it knows more than the books, or there are none", async () => {
  const call = collect({ ledgerId, afterSequence: 1_000_000n });
  await expectRefusal(call, Code.FailedPrecondition, { refusal: Refusal.SEQUENCE_NOT_REACHED });
  const nowhere = collect({ ledgerId: "nowhere" });
  await expectRefusal(nowhere, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
});

test("a follower must name a sequence, and may touch the ledger", async () => {
  const negative = await errorOf(collect({ ledgerId, afterSequence: -1n }));
  expect(negative.code).toBe(Code.InvalidArgument);
  const narrow = await school.server.client(AuditService, "narrow");
  const denied = await errorOf(Array.fromAsync(narrow.streamEvents({ ledgerId })));
  expect(requestRefusalOf(denied)?.refusal).toBe(RequestRefusal.LEDGER_DENIED);
  const reader = await school.server.client(AuditService, "reader");
  const scopeless = await errorOf(Array.fromAsync(reader.streamEvents({ ledgerId })));
  expect(requestRefusalOf(scopeless)?.refusal).toBe(RequestRefusal.SCOPE_MISSING);
});

test("more followers than a process holds are refused, until one leaves", async () => {
  const leaving = new AbortController();
  const streams = Array.from({ length: 100 }, () => {
    return audit.streamEvents({ ledgerId }, leaving)[Symbol.asyncIterator]();
  });
  await Promise.all(streams.map((stream) => stream.next()));
  const error = await errorOf(collect({ ledgerId }));
  expect(error.code).toBe(Code.ResourceExhausted);
  leaving.abort();
  const answered = () => collect({ ledgerId, untilHead: true }).then(() => "answered", refused);
  await expect.poll(answered).toBe("answered");
});

test("a service that stops ends its followers, so that they ask another", async () => {
  await using stopped = await openSchool();
  const stream = stopped.audit.streamEvents({ ledgerId })[Symbol.asyncIterator]();
  const { ledger } = await stopped.client.getLedger({ ledgerId });
  for (let n = 0n; n < (ledger?.headSequence ?? 0n); n++) await stream.next();
  const waiting = errorOf(stream.next());
  stopped.followers.end();
  const error = await waiting;
  expect(error.code).toBe(Code.Unavailable);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.STOPPING);
});

function refused(error: unknown): string {
  return ConnectError.from(error).rawMessage;
}

function collect(request: Parameters<AuditClient["streamEvents"]>[0]) {
  return Array.fromAsync<StreamEventsResponse>(audit.streamEvents(request));
}

function upTo(last: number): bigint[] {
  return Array.from({ length: last }, (_, n) => BigInt(n + 1));
}

async function inTens(calls: readonly (() => Promise<unknown>)[]): Promise<void> {
  for (let at = 0; at < calls.length; at += 10) {
    await Promise.all(calls.slice(at, at + 10).map((call) => call()));
  }
}
