import { ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HoldStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { newKey, openWallet, shortly } from "../testing/holds.ts";
import {
  type HoldClient,
  type LedgerClient,
  openSchool,
  type School,
  schoolId,
} from "../testing/school.ts";

let school: School;
let client: LedgerClient;
let holds: HoldClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  ({ client, holds } = school);
});
afterAll(() => school[Symbol.asyncDispose]());

test("a wallet is not overspent by holds and payments at the same time", async () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  console.info(`seed ${seed}`);
  const random = createRandom(seed);
  const amount = (max: number) => BigInt(1 + Math.floor(random() * max));
  const { wallet, shop, hold, payment } = await openWallet(school, 1_000n);
  const made: bigint[] = [];

  const anyOf = () => made[Math.floor(random() * made.length)] ?? 1n;
  const on = () => ({ ledgerId, idempotencyKey: newKey(), holdSequence: anyOf() });
  const operations = [
    () => client.postTransaction(payment(amount(60))),
    async () => {
      const expiration = random() < 0.3 ? shortly : { case: undefined };
      const amounts = { amountMinor: amount(150), toleranceMinor: amount(20), expiration };
      const { hold: one } = await holds.createHold(hold(amounts));
      if (one) made.push(one.holdSequence);
    },
    () => holds.increaseHold({ ...on(), amountMinor: amount(50) }),
    () => holds.captureHold({ ...on(), amountMinor: amount(80), final: random() < 0.3 }),
    () => holds.voidHold({ ...on(), amountMinor: amount(80) }),
  ];
  const callers = Array.from({ length: 20 }, async () => {
    for (let n = 0; n < 10; n++) {
      const operation = operations[Math.floor(random() * operations.length)]!;
      await operation().catch((error: unknown) => {
        const [detail] = ConnectError.from(error).findDetails(RefusalDetailSchema);
        expect(detail, String(error)).toBeDefined();
        expect(expected).toContain(detail?.refusal);
      });
    }
  });
  await Promise.all(callers);

  const all = await holds.listHolds({ ledgerId, account: wallet, pageSize: 500 });
  const open = all.holds.filter(({ status }) => status === HoldStatus.OPEN);
  const remaining = open.reduce((sum, one) => sum + one.remainingMinor, 0n);
  for (const one of all.holds) {
    const { capturedMinor, voidedMinor, heldMinor, toleranceMinor } = one;
    expect(capturedMinor + voidedMinor).toBeLessThanOrEqual(heldMinor + toleranceMinor);
  }
  const { balances } = await client.getTrialBalance({ ledgerId });
  const find = (account: typeof wallet) => {
    return balances.find(({ accountCode }) => accountCode === account.accountCode);
  };
  const [paying, paid] = [find(wallet), find(shop)];
  expect(paying?.availableMinor).toBeGreaterThanOrEqual(0n);
  expect((paying?.balanceMinor ?? 0n) + (paid?.balanceMinor ?? 0n)).toBe(1_000n);
  // What expires in between is open no more, and not pending any more either.
  expect(paying?.debitsPendingMinor).toBeLessThanOrEqual(remaining);
  expect(paid?.creditsPendingMinor).toBe(paying?.debitsPendingMinor);
});

const expected: readonly number[] = [
  Refusal.BELOW_FLOOR,
  Refusal.HOLD_ENDED,
  Refusal.HOLD_EXCEEDED,
  Refusal.HOLD_EXPIRED,
  Refusal.HOLD_NOT_FOUND,
];

/** A linear congruential generator: the same seed, the same operations asked for. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
