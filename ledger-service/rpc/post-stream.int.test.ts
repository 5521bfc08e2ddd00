import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import {
  balanceOf,
  type LedgerClient,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;

beforeAll(async () => {
  school = await openSchool();
  client = school.client;
});
afterAll(() => school[Symbol.asyncDispose]());

type Request = ReturnType<typeof saleRequest>;

async function* streamOf(requests: Iterable<Request>) {
  for (const request of requests) yield { request };
}

function* sales(prefix: string, count: number): Generator<Request> {
  for (let n = 0; n < count; n++) yield saleRequest(`${prefix}${n}`, 1n);
}

/** Every answer, in short, and the summary; what was answered before an error comes with it. */
async function answersOf(stream: ReturnType<LedgerClient["streamPostTransactions"]>) {
  const answers: string[] = [];
  let summary: unknown;
  let error: ConnectError | undefined;
  try {
    for await (const { step } of stream) {
      if (step.case === "summary") summary = step.value;
      else if (step.case === "result") answers.push(toldOf(step.value.result));
    }
  } catch (caught) {
    error = ConnectError.from(caught);
  }
  return { answers, summary, error };
}

function toldOf(result: { case?: string | undefined; value?: object | undefined }): string {
  const { value } = result as { value: { transaction?: { idempotencyKey: string } } };
  const { refusal } = result.value as { refusal?: Refusal };
  if (refusal !== undefined) return `refused ${refusal}`;
  const { replayed } = result.value as { replayed: boolean };
  return `${value.transaction?.idempotencyKey}${replayed ? " again" : ""}`;
}

async function countOf(prefix: string): Promise<number> {
  const [row] = await school.database.pool<{ n: number }[]>`
    select count(*)::int as n from idempotency where key like ${`${prefix}%`}
  `;
  return row?.n ?? 0;
}

test.each(["connect", "grpc"] as const)(
  "6,000 requests are answered in order over %s, in few commits, and again when sent again",
  async (protocol) => {
    const tls = await school.server.certificates.identity("test-client");
    await using opened = openClient(LedgerService, { url: school.server.url, tls, protocol });
    const { rpc } = opened;
    const count = 6_000;
    const before = await balanceOf(client, "assets:cash");
    const batchesBefore = await batches();
    const first = await answersOf(rpc.streamPostTransactions(streamOf(sales(protocol, count))));
    expect(first.error).toBeUndefined();
    expect(first.answers).toEqual(Array.from({ length: count }, (_, n) => `${protocol}${n}`));
    expect(first.summary).toMatchObject({ posted: 6_000n, replayed: 0n, refused: 0n });
    expect((await batches()) - batchesBefore).toBeLessThan(count / 10);

    const again = await answersOf(rpc.streamPostTransactions(streamOf(sales(protocol, count))));
    expect(again.summary).toMatchObject({ posted: 0n, replayed: 6_000n, refused: 0n });
    expect(again.answers[5_999]).toBe(`${protocol}5999 again`);
    expect(await balanceOf(client, "assets:cash")).toBe(before + 6_000n);
  },
  60_000,
);

async function batches(): Promise<number> {
  const [row] = await school.database.pool<{ n: number }[]>`select count(*)::int as n from batch`;
  return row?.n ?? 0;
}

test("each request has its own answer; a refused one does not end the stream", async () => {
  const requests = [...sales("mixed", 5)];
  requests[2] = saleRequest("mixed2", 1n, { debit: "assets:nobody" });
  requests[4] = saleRequest("mixed0", 2n);
  const { answers, summary, error } = await answersOf(
    client.streamPostTransactions(streamOf([...requests, requests[0]!])),
  );
  expect(error).toBeUndefined();
  expect(answers).toEqual([
    "mixed0",
    "mixed1",
    `refused ${Refusal.ACCOUNT_NOT_FOUND}`,
    "mixed3",
    `refused ${Refusal.IDEMPOTENCY_CONFLICT}`,
    "mixed0 again",
  ]);
  expect(summary).toMatchObject({ posted: 3n, replayed: 1n, refused: 2n });
});

test("a stream of nothing is summed up", async () => {
  expect(await answersOf(client.streamPostTransactions(streamOf([])))).toEqual({
    answers: [],
    summary: expect.objectContaining({ posted: 0n, replayed: 0n, refused: 0n }),
    error: undefined,
  });
});

test.each<[string, Request, Code]>([
  ["another ledger", { ...saleRequest("x", 1n), ledgerId: "other" }, Code.InvalidArgument],
  ["an invalid request", saleRequest("", 1n), Code.InvalidArgument],
  ["a link group", Object.assign(saleRequest("x", 1n), { linkGroup: "g" }), Code.InvalidArgument],
])("%s ends the stream behind the answers before it", async (what, bad, code) => {
  const requests = [...sales(`before ${what} `, 3), bad, ...sales(`after ${what} `, 3)];
  const { answers, summary, error } = await answersOf(
    client.streamPostTransactions(streamOf(requests)),
  );
  expect(error?.code).toBe(code);
  expect(answers).toEqual([0, 1, 2].map((n) => `before ${what} ${n}`));
  expect(summary).toBeUndefined();
  expect(await countOf("after")).toBe(0);
});

test("a ledger that is not granted ends the stream", async () => {
  const narrow = await school.server.client(LedgerService, "narrow");
  const { error } = await answersOf(narrow.streamPostTransactions(streamOf(sales("denied", 2))));
  expect(error?.code).toBe(Code.PermissionDenied);
  expect(await countOf("denied")).toBe(0);
});

test("who does not read is not read from", async () => {
  let sent = 0;
  const notes = Array.from({ length: 8 }, (_, n) => ({ key: `k${n}`, value: "x".repeat(1_024) }));
  async function* greedy() {
    for (const request of sales("slow", 40_000)) {
      sent += 1;
      yield { request: { ...request, metadata: notes } };
    }
  }
  const over = new AbortController();
  const stream = client.streamPostTransactions(greedy(), { signal: over.signal });
  const answers = stream[Symbol.asyncIterator]();
  await answers.next();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await sleep(300);
  }
  // What is read ahead, and what the buffers of both sides hold.
  expect(sent).toBeLessThan(20_000);
  for (let n = 1; n < before && sent === before; n++) await answers.next();
  expect(sent).toBeGreaterThan(before);
  over.abort();
  await expect(answers.next()).rejects.toMatchObject({ code: Code.Canceled });
}, 60_000);

test("a stream that is cut off is finished by sending it again", async () => {
  const over = new AbortController();
  let answered = 0;
  const cut = async () => {
    const stream = client.streamPostTransactions(streamOf(sales("cut", 6_000)), {
      signal: over.signal,
    });
    for await (const _ of stream) {
      answered += 1;
      if (answered === 1_500) over.abort();
    }
  };
  await expect(cut()).rejects.toMatchObject({ code: Code.Canceled });
  const again = await answersOf(client.streamPostTransactions(streamOf(sales("cut", 6_000))));
  expect(again.answers).toHaveLength(6_000);
  expect(again.answers.slice(0, 1_500).every((told) => told.endsWith(" again"))).toBe(true);
  expect(await countOf("cut")).toBe(6_000);
}, 60_000);

test("a deadline that passes leaves nothing behind that is still posting", async () => {
  async function* slow() {
    for (const request of sales("late", 1_000)) {
      yield { request };
      await sleep(20);
    }
  }
  const { error } = await answersOf(client.streamPostTransactions(slow(), { timeoutMs: 500 }));
  expect(error?.code).toBe(Code.DeadlineExceeded);
  // The one that was in a batch by then is decided.
  let posted = -1;
  while (posted !== (await countOf("late"))) {
    posted = await countOf("late");
    await sleep(300);
  }
  expect(posted).toBeLessThan(1_000);
});
