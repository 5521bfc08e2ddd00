// The same facts in any order, with accounts that freeze and thaw in between: the payments are the
// same, and once everything is released, so are the books.

import { expect, test } from "vitest";
import type { Pool } from "#mesh/database/pool.ts";
import type { Poster } from "./poster.ts";
import type { AccountUpdate } from "./rules/account-rules.ts";
import type { Command } from "./rules/commands.ts";
import { report } from "./testing/facts.ts";
import { ledgerId, openLedgerDatabase, openPoster, submit } from "./testing/ledger.ts";
import {
  disputeLost,
  disputeOpened,
  payoutFailed,
  payoutPaid,
  type Report,
  refunded,
  refundedTotal,
  refundFailed,
  succeeded,
  usd,
} from "./testing/payments.ts";
import { verifyLedger } from "./verify/verify.ts";

const ids = Array.from({ length: 6 }, (_, n) => `pi_${n}`);
const facts = ids.flatMap((id): Report[] => [
  succeeded(id, 10_000n, { fee: usd(320n), tax: usd(1_600n) }),
  refunded(id, `re-a-${id}`, 3_000n),
  refundedTotal(id, 5_000n),
  refunded(id, `re-b-${id}`, 2_000n),
  refundFailed(id, `re-b-${id}`, 2_000n),
  disputeOpened(id, `dp-${id}`, 4_000n),
  disputeLost(id, `dp-${id}`, 4_000n),
  payoutPaid(`po-${id}`, 900n),
  ...(id === "pi_0" ? [payoutFailed(`po-${id}`, 900n)] : []),
]);
const codes = ["assets:stripe:clearing", "assets:bank", "income:sales", "income:refunds"];
const digest = "00".repeat(32);

test("what is released in the end stands as if nothing had been in the way", async () => {
  const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const random = createRandom(seed);
  const undisturbed = await run(undefined);
  for (let round = 0; round < 3; round++) {
    const disturbed = await run(random);
    expect(disturbed.items).toBeGreaterThan(0);
    expect({ ...disturbed, items: 0 }).toEqual(undisturbed);
  }
});

/** In order and undisturbed without a random. */
async function run(random: (() => number) | undefined) {
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  const { pool } = database;
  let waiting = random ? shuffled(facts, random) : facts;
  // The chart, so that there is something to freeze.
  await report(pool, [succeeded("pi_first", 1_000n), payoutPaid("po_first", 1n)]);
  await report(pool, [refunded("pi_first", "re_first", 1n)]);
  for (let step = 0; waiting.length > 0; step++) {
    if (random) await disturb(poster, step, random);
    const batch = waiting.slice(0, random ? 1 + Math.floor(random() * 8) : 8);
    const { verdicts } = await report(pool, batch);
    const parked = batch.filter((_, place) => verdicts[place]?.kind === "parked");
    waiting = [...waiting.slice(batch.length), ...parked];
  }
  for (const accountCode of codes) {
    await submit(poster, update(accountCode, { what: "unfreeze" }, `last ${accountCode}`));
    const none = { floorMinor: undefined, ceilingMinor: undefined };
    await submit(
      poster,
      update(accountCode, { what: "limits", limits: none }, `no ${accountCode}`),
    );
  }
  const items = await releaseAll(pool, poster);
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
  return { items, balances: await balances(pool), payments: await payments(pool) };
}

/** What is refused, because it is so already, disturbs nothing. */
async function disturb(poster: Poster, step: number, random: () => number): Promise<void> {
  const accountCode = codes[Math.floor(random() * codes.length)]!;
  const limits = { floorMinor: -1_000n, ceilingMinor: 9_000n };
  const changes: AccountUpdate["change"][] = [
    { what: "freeze" },
    { what: "freeze" },
    { what: "unfreeze" },
    { what: "limits", limits },
  ];
  const change = changes[Math.floor(random() * changes.length)]!;
  await submit(poster, update(accountCode, change, `step ${step}`));
  if (step === 4) {
    const endTime = { seconds: 1_700_000_001n, nanos: 0 };
    const key = { idempotencyKey: "close", digest, description: "" };
    await submit(poster, { kind: "close-period", endTime, ...key });
  }
}

async function releaseAll(pool: Pool, poster: Poster): Promise<number> {
  const open = await pool<{ sequence: bigint; place: number }[]>`
    select sequence, entry_index as place from suspense_item where released_sequence is null
    order by sequence, entry_index
  `;
  const releases = open.map(({ sequence, place }): Command => {
    const entry = { sequence, entryIndex: place };
    const idempotencyKey = `release ${sequence} ${place}`;
    const rest = { account: undefined, description: "", effectiveTime: undefined };
    return { kind: "release-suspense", idempotencyKey, digest, entry, ...rest };
  });
  const answers = await submit(poster, ...releases);
  expect(answers.filter(({ kind }) => kind !== "written")).toEqual([]);
  return answers.length;
}

function update(
  accountCode: string,
  change: AccountUpdate["change"],
  idempotencyKey: string,
): Command {
  const account = { accountCode, assetCode: "USD" };
  const common = { idempotencyKey, digest, account, description: "" };
  return { kind: "update-account", change, expectedChangedSequence: 0n, ...common };
}

async function balances(pool: Pool): Promise<Record<string, bigint>> {
  const rows = await pool<{ code: string; amount: bigint }[]>`
    select account_code as code, debits_minor - credits_minor as amount
    from account join account_state using (account_id)
    where debits_minor <> credits_minor order by account_code
  `;
  return Object.fromEntries(rows.map(({ code, amount }) => [code, amount]));
}

async function payments(pool: Pool): Promise<string[]> {
  const rows = await pool<{ text: string }[]>`
    select payment_id || ' ' || paid_minor || ' '
      || greatest(refunds_named_minor, refunds_stated_minor) - refunds_failed_minor || ' '
      || disputed_minor || ' ' || lost_minor as text
    from payment order by payment_id
  `;
  return rows.map(({ text }) => text);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [result[last], result[other]] = [result[other]!, result[last]!];
  }
  return result;
}

/** Mulberry32: small, and the same on every machine. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
