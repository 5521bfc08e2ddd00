// Facts that a provider should not send, in between those that it should: any amount that int64
// holds, times from the year 1 to 9999 and beyond, names that look like other names. Whatever they
// are, no batch stops for them, and the books are sound.

import { expect, test } from "vitest";
import { DisputeClosedSchema, DisputeOutcome } from "#gen/bursar/payments/v1/events_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Poster } from "./poster.ts";
import type { AccountUpdate } from "./rules/account-rules.ts";
import type { Command } from "./rules/commands.ts";
import type { Limits } from "./rules/records.ts";
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
} from "./testing/payments.ts";
import { verifyLedger } from "./verify/verify.ts";

const digest = "00".repeat(32);
const int64Max = 2n ** 63n - 1n;
const hugeAmounts = [0n, int64Max, int64Max - 1n, int64Max / 2n];
const usualAmounts = [1n, 320n, 3_000n, 5_000n, 10_000n];
const names = ["stripe/acct_1/pi_", "stripe/acct_1/pi/%/", "stripe/x/%2F", `a/b/:,"\\{}'`];
const oddNames = [`${"p".repeat(65)}/a/`, "bank/a/", "fees/a/"];
const orders = ["", "order_1", '\u{1F600}\\"{},NULL', "null", "x".repeat(128)];
const oddTimes = [
  { seconds: -62_135_596_800n, nanos: 0 },
  { seconds: 253_402_300_799n, nanos: 999_999_999 },
  { seconds: -1n, nanos: 999_999_999 },
  { seconds: 253_402_300_800n, nanos: 0 },
  { seconds: 1_700_000_000n, nanos: -1 },
  { seconds: int64Max, nanos: 0 },
];
const codes = [
  "assets:stripe:clearing",
  "assets:stripe:disputed",
  "assets:bank",
  "income:sales",
  "income:refunds",
  "expenses:disputes",
  "liabilities:tax",
];

test("whatever a provider reports, no batch stops and the books are sound", async () => {
  const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const chance = createChance(seed);
  await using database = await openLedgerDatabase();
  await using poster = openPoster(database);
  const { pool } = database;
  // The chart, so that there is something to freeze.
  await report(pool, [succeeded("pi_first", 1_000n), disputeLost("pi_first", "dp_first", 1n)]);
  await report(pool, [payoutPaid("po_first", 1n), refunded("pi_first", "re_first", 1n)]);
  const seen = new Set<string>();
  for (let step = 0; step < 100; step++) {
    const facts = Array.from({ length: 1 + chance.below(10) }, () => absurdFact(chance));
    const { verdicts } = await report(pool, facts);
    for (const { kind } of verdicts) seen.add(kind);
    await disturb({ pool, poster, chance, step });
  }
  expect([...seen].sort()).toEqual(["dead", "handled", "parked"]);
  expect(await verifyLedger(pool, ledgerId)).toEqual([]);
  const [items] = await pool<{ count: bigint }[]>`select count(*) as count from suspense_item`;
  expect(Number(items?.count)).toBeGreaterThan(0);
});

function absurdFact(chance: Chance): Report {
  const name = () => `${chance.one(chance.odds(0.05) ? oddNames : names)}${chance.below(50)}`;
  const money = () => ({
    amountMinor: chance.one(chance.odds(0.002) ? hugeAmounts : usualAmounts),
    currencyCode: chance.odds(0.02) ? chance.one(["JPY", "XAG", "ZZZ", "KWD"]) : "USD",
  });
  const usual = { seconds: 1_700_000_000n + BigInt(chance.below(1_000_000)), nanos: 999_999_999 };
  const occurredTime = chance.odds(0.05) ? chance.one(oddTimes) : usual;
  const ofPayment = { paymentId: name(), occurredTime, amount: money() };
  const ofPayout = { payoutId: name(), occurredTime, amount: money() };
  const refundId = name();
  const disputeId = name();
  const outcome = chance.one([DisputeOutcome.WON, DisputeOutcome.LOST]);
  const payment = {
    ...ofPayment,
    orderId: chance.one(orders),
    ...(chance.odds(0.5) && { fee: money() }),
    ...(chance.odds(0.5) && { tax: money() }),
  };
  const refund = { ...ofPayment, refundId };
  const total = { paymentId: ofPayment.paymentId, occurredTime, refundedTotal: money() };
  return chance.one([
    () => changed(succeeded("a", 1n), payment),
    () => changed(succeeded("a", 1n), payment),
    () => changed(refunded("a", "b", 1n), refund),
    () => changed(refunded("a", "b", 1n), { ...refund, refundedTotal: money() }),
    () => changed(refundedTotal("a", 1n), total),
    () => changed(refundFailed("a", "b", 1n), refund),
    () => changed(disputeOpened("a", "b", 1n), { ...ofPayment, disputeId }),
    () => {
      const schema = DisputeClosedSchema;
      return {
        ...changed(disputeLost("a", "b", 1n), { ...ofPayment, disputeId, outcome }),
        schema,
      };
    },
    () => changed(payoutPaid("a", 1n), ofPayout),
    () => changed(payoutFailed("a", 1n), ofPayout),
  ])();
}

function changed(of: Report, fields: object): Report {
  return { ...of, event: { ...of.event, ...fields } as Report["event"] };
}

type Disturbance = { pool: Pool; poster: Poster; chance: Chance; step: number };

/** What is refused disturbs nothing. */
async function disturb({ pool, poster, chance, step }: Disturbance): Promise<void> {
  const accountCode = chance.one(codes);
  const commands = [
    update(accountCode, await changeOf(pool, accountCode, chance), `change ${step}`),
  ];
  if (step === 40 || step === 80) {
    const endTime = { seconds: 1_700_000_000n + BigInt(step) * 5_000n, nanos: 0 };
    const key = { idempotencyKey: `close ${step}`, digest, description: "" };
    commands.push({ kind: "close-period", endTime, ...key });
  }
  const items = await pool<{ sequence: bigint; place: number }[]>`
    select sequence, entry_index as place from suspense_item
    order by md5(sequence || ' ' || entry_index || ' ' || ${step}::int) limit 2
  `;
  for (const { sequence, place } of items) {
    const idempotencyKey = `item ${step} ${sequence} ${place}`;
    const rest = { idempotencyKey, digest, description: "" };
    const entry = { sequence, entryIndex: place };
    const release = { account: undefined, effectiveTime: undefined };
    commands.push(
      chance.odds(0.3)
        ? { kind: "reverse", sequence, ...rest }
        : { kind: "release-suspense", entry, ...rest, ...release },
    );
  }
  await submit(poster, ...commands);
}

async function changeOf(
  pool: Pool,
  accountCode: string,
  chance: Chance,
): Promise<AccountUpdate["change"]> {
  const [row] = await pool<{ balance: bigint }[]>`
    select case when grows_by_debits then debits_minor - credits_minor
      else credits_minor - debits_minor end as balance
    from account_state join account using (account_id)
    where account_code = ${accountCode} and asset_code = 'USD'
  `;
  const balance = row?.balance ?? 0n;
  const near = () => chance.one([0n, 5n, 1_000n, 20_000n]);
  const none: Limits = { floorMinor: undefined, ceilingMinor: undefined };
  return chance.one<AccountUpdate["change"]>([
    { what: "freeze" },
    { what: "unfreeze" },
    { what: "unfreeze" },
    { what: chance.odds(0.1) ? "close" : "unfreeze" },
    { what: "limits", limits: none },
    { what: "limits", limits: { ...none, floorMinor: balance - near() } },
    { what: "limits", limits: { ...none, ceilingMinor: balance + near() } },
  ]);
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

type Chance = {
  below(end: number): number;
  odds(share: number): boolean;
  one<T>(items: readonly T[]): T;
};

/** Mulberry32: small, and the same on every machine. */
function createChance(seed: number): Chance {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (end: number) => Math.floor(next() * end);
  return { below, odds: (share) => next() < share, one: (items) => items[below(items.length)]! };
}
