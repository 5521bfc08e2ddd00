import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import type { Answer } from "./answer.ts";
import { startPoster } from "./poster.ts";
import { noLimits } from "./rules/records.ts";
import {
  entry,
  ledgerId,
  openLedgerDatabase,
  openPoster,
  posting,
  preparedSequence,
  prepareLedger,
  reversal,
  sale,
  submit,
} from "./testing/ledger.ts";
import { verifyLedger } from "./verify/verify.ts";

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);

test("200 requests at once are all posted, without a gap and in few batches", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const answers = await Promise.all(numbers(200).map((n) => submit(poster, sale(`k${n}`, 1n))));
  const sequences = answers.map(([answer]) => sequenceOf(answer)).sort((a, b) => Number(a - b));
  expect(sequences).toEqual(numbers(200).map((n) => preparedSequence + 1n + BigInt(n)));
  const [batches] = await database.pool`select count(*) from batch`;
  expect(Number(batches?.["count"])).toBeLessThan(20);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("64 requests with one key post once, and all get the same transaction", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const answers = await Promise.all(numbers(64).map(() => submit(poster, sale("same", 5n))));
  const posted = answers.map(([answer]) => answer);
  expect(posted.filter((it) => it?.kind === "written" && !it.replayed)).toHaveLength(1);
  expect(new Set(posted.map(sequenceOf))).toEqual(new Set([preparedSequence + 1n]));
  const transactions = posted.map((it) => it?.kind === "written" && Buffer.from(it.row.data));
  for (const transaction of transactions) expect(transaction).toEqual(transactions[0]);
  expect(await balanceOf(database.pool, "assets:cash")).toBe(5n);
});

test("two processes that post to one ledger keep its sequence dense", async () => {
  await using database = await openLedgerDatabase();
  const options = { schema: "ledger", connectionsMax: 2, url: database.url };
  const other = openPool({ ...options, applicationName: "other" });
  try {
    await using one = openPoster(database);
    await using two = startPoster({ pool: other, metrics: createMetrics("test") });
    await prepareLedger(one);
    const posts = numbers(300).map((n) => submit(n % 2 === 0 ? one : two, sale(`k${n % 250}`, 1n)));
    const answers = (await Promise.all(posts)).map(([answer]) => answer);
    expect(answers.filter((it) => it?.kind === "written" && it.replayed)).toHaveLength(50);
    expect(await balanceOf(database.pool, "assets:cash")).toBe(250n);
    const [head] = await database.pool`select head_sequence from ledger`;
    expect(head?.["head_sequence"]).toBe(preparedSequence + 250n);
    expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  } finally {
    await other.end();
  }
});

test("two processes that create the same ledger create it once", async () => {
  await using database = await openLedgerDatabase();
  await using one = openPoster(database);
  await using two = openPoster(database);
  const create = { kind: "create-ledger", displayName: "Main" } as const;
  const answers = await Promise.all([one, two, one, two].map((poster) => submit(poster, create)));
  const created = answers.flat().filter((it) => it.kind === "ledger" && !it.replayed);
  expect(created).toHaveLength(1);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a request whose COMMIT went unanswered is posted once", async () => {
  await using database = await openLedgerDatabase();
  await using direct = openPoster(database);
  await prepareLedger(direct);
  await using proxy = await startCuttingProxy(new URL(database.url));
  const options = { schema: "ledger", connectionsMax: 1, applicationName: "cut" };
  const pool = openPool({ ...options, url: proxy.url });
  try {
    await using poster = startPoster({ pool, metrics: createMetrics("test") });
    await submit(poster, sale("before", 1n));
    proxy.cutAfterNextCommit();
    const [answer] = await submit(poster, sale("cut", 10n));
    expect(proxy.cuts).toBe(1);
    expect(answer?.kind).toBe("written");
    expect(await balanceOf(database.pool, "assets:cash")).toBe(11n);
    expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
  } finally {
    await pool.end();
  }
});

test("a refusal uses its key up, takes a sequence, and stays the same for ever", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const unknown = posting("k", [
    entry("debit", "assets:new", 1n),
    entry("credit", "income:sales", 1n),
  ]);
  const [first] = await submit(poster, unknown);
  expect(first).toMatchObject({ kind: "refused", detail: { refusal: Refusal.ACCOUNT_NOT_FOUND } });
  const account = { accountCode: "assets:new", assetCode: "USD" };
  await submit(poster, {
    kind: "create-account",
    account,
    accountKind: "asset",
    limits: noLimits,
    metadata: [],
  });
  const [again, same, other] = await submit(poster, unknown, unknown, sale("k", 1n));
  expect(again).toEqual(first);
  expect(same).toEqual(first);
  expect(other).toMatchObject({
    kind: "refused",
    detail: {
      refusal: Refusal.IDEMPOTENCY_CONFLICT,
      idempotencyKey: "k",
      ledgerSequence: preparedSequence + 1n,
    },
  });
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a transaction is reversed once, also within the batch that posts it", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const sequence = preparedSequence + 1n;
  const answers = await submit(
    poster,
    sale("sale", 7n),
    reversal("undo", sequence),
    reversal("undo", sequence),
    reversal("undo twice", sequence),
  );
  expect(answers.map(({ kind }) => kind)).toEqual(["written", "written", "written", "refused"]);
  expect(answers[2]).toMatchObject({ replayed: true });
  const later = await submit(poster, reversal("undo later", sequence), reversal("gone", 2n));
  expect(later).toMatchObject([
    { detail: { refusal: Refusal.ALREADY_REVERSED, ledgerSequence: sequence + 1n } },
    { detail: { refusal: Refusal.TRANSACTION_NOT_FOUND, ledgerSequence: 2n } },
  ]);
  expect(await balanceOf(database.pool, "assets:cash")).toBe(0n);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a reversal finds a transaction and its accounts from long before", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  await submit(poster, sale("sale", 7n));
  const [answer] = await submit(poster, reversal("undo", preparedSequence + 1n));
  expect(answer).toMatchObject({
    kind: "written",
    row: { sequence: preparedSequence + 2n },
    balances: [
      { accountCode: "assets:cash", debitsMinor: 7n, creditsMinor: 7n },
      { accountCode: "income:sales", debitsMinor: 7n, creditsMinor: 7n },
    ],
  });
});

test("what the database cannot store fails alone", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  // The door refuses such a key; here it stands for anything that only the database notices.
  const commands = [sale("a", 1n), sale("b\0", 1n), sale("c", 1n), sale("d", 1n)];
  const results = await Promise.allSettled(commands.map((command) => submit(poster, command)));
  expect(results.map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
  expect(await balanceOf(database.pool, "assets:cash")).toBe(3n);
});

test("a request that is over before its batch begins is not posted", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const over = new AbortController();
  const first = submit(poster, sale("first", 1n));
  const second = poster.submit(ledgerId, [sale("second", 1n)], over.signal);
  over.abort(new ConnectError("too late", Code.DeadlineExceeded));
  await expect(second).rejects.toMatchObject({ code: Code.DeadlineExceeded });
  expect((await first)[0]?.kind).toBe("written");
  expect(await balanceOf(database.pool, "assets:cash")).toBe(1n);
});

test("a full queue refuses more, and empties once the ledger is free", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  const held = Promise.withResolvers<void>();
  const locked = Promise.withResolvers<void>();
  const holder = database.pool.begin(async (tx) => {
    await tx`select 1 from ledger for update`;
    locked.resolve();
    await held.promise;
  });
  await locked.promise;
  const wide = (key: string) => {
    const lines = numbers(500).flatMap(() => [
      entry("debit", "assets:cash", 1n),
      entry("credit", "income:sales", 1n),
    ]);
    return posting(key, lines);
  };
  // What is in the batch that waits for the lock no longer counts as queued.
  const queued = [submit(poster, wide("first"))];
  await new Promise((resolve) => setTimeout(resolve, 100));
  queued.push(...numbers(100).map((n) => submit(poster, wide(`k${n}`))));
  const refused = await submit(poster, wide("one more")).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: Code.ResourceExhausted });
  held.resolve();
  await holder;
  await Promise.all(queued);
  expect(await balanceOf(database.pool, "assets:cash")).toBe(500n * 101n);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

test("a database that is gone is a fault, told in bounded time", async () => {
  const options = { schema: "ledger", connectionsMax: 1, applicationName: "gone" };
  const pool = openPool({ ...options, url: "postgres://nobody:nothing@127.0.0.1:1/none" });
  await using poster = startPoster({ pool, metrics: createMetrics("test") });
  const error = await submit(poster, sale("k", 1n)).catch((caught: unknown) => caught);
  expect(isFault(error)).toBe(true);
  await pool.end();
});

test("a stopping poster commits what is queued and takes nothing more", async () => {
  await using database = await openLedgerDatabase();
  const poster = openPoster(database);
  await prepareLedger(poster);
  const queued = numbers(20).map((n) => submit(poster, sale(`k${n}`, 1n)));
  const stopped = poster[Symbol.asyncDispose]();
  await expect(submit(poster, sale("late", 1n))).rejects.toMatchObject({ code: Code.Unavailable });
  await stopped;
  await Promise.all(queued);
  expect(await balanceOf(database.pool, "assets:cash")).toBe(20n);
});

test("recorded times go forward, even where the clock went back", async () => {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  await prepareLedger(poster);
  // As if the last batch had been written by a clock an hour ahead.
  const owner = openPool({
    schema: "ledger",
    connectionsMax: 1,
    applicationName: "clock",
    url: database.superUrl,
  });
  await owner.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    await tx`update batch set recorded_time = recorded_time + interval '1 hour'`;
    await tx`update ledger set recorded_time = recorded_time + interval '1 hour'`;
  });
  await owner.end();
  await submit(poster, sale("a", 1n));
  await submit(poster, sale("b", 1n));
  const rows = await database.pool<{ step: bigint }[]>`
    select (extract(epoch from recorded_time - lag(recorded_time) over (order by first_sequence))
      * 1000000)::bigint as step
    from batch order by first_sequence
  `;
  expect(rows.slice(-2)).toEqual([{ step: 1n }, { step: 1n }]);
});

function sequenceOf(answer: Answer | undefined): bigint {
  if (answer?.kind !== "written") throw new Error(`not posted: ${answer?.kind}`);
  return answer.row.sequence;
}

async function balanceOf(
  pool: Parameters<typeof verifyLedger>[0],
  accountCode: string,
): Promise<bigint> {
  const [row] = await pool<{ balance: bigint }[]>`
    select debits_minor - credits_minor as balance
    from account join account_state using (account_id)
    where account_code = ${accountCode} and asset_code = 'USD'
  `;
  return row?.balance ?? 0n;
}

/** Passes everything on, but once lets a COMMIT through and cuts the line before its answer. */
async function startCuttingProxy(target: URL) {
  const sockets = new Set<Socket>();
  const state = { armed: false, cuts: 0 };
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    let cutting = false;
    client.on("data", (data) => {
      if (state.armed && data.toString("latin1").toLowerCase().includes("commit")) {
        state.armed = false;
        cutting = true;
      }
      upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (!cutting) return client.write(data);
      state.cuts += 1;
      client.destroy();
      return upstream.destroy();
    });
    client.on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const url = new URL(target);
  url.hostname = "127.0.0.1";
  url.port = String(address.port);
  return {
    url: url.href,
    cutAfterNextCommit: () => {
      state.armed = true;
    },
    get cuts() {
      return state.cuts;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
