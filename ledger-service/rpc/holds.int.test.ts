import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HoldStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { availableOf, newKey, openWallet } from "../testing/holds.ts";
import {
  errorOf,
  expectRefusal,
  type HoldClient,
  openSchool,
  type School,
  schoolId,
} from "../testing/school.ts";

let school: School;
let holds: HoldClient;
const ledgerId = schoolId;

beforeAll(async () => {
  school = await openSchool();
  ({ holds } = school);
});
afterAll(() => school[Symbol.asyncDispose]());

test("what is available is right from the first day of a hold to its last", async () => {
  const { wallet, shop, hold } = await openWallet(school, 100n);
  const {
    hold: made,
    balances,
    replayed,
  } = await holds.createHold(
    hold({ amountMinor: 60n, toleranceMinor: 5n, description: "an order" }),
  );
  expect(made).toMatchObject({
    heldMinor: 60n,
    remainingMinor: 60n,
    toleranceMinor: 5n,
    status: HoldStatus.OPEN,
    description: "an order",
  });
  expect(made?.ledgerSequence).toBe(made?.holdSequence);
  expect(replayed).toBe(false);
  expect(balances).toMatchObject([
    { ...wallet, balanceMinor: 100n, debitsPendingMinor: 60n, availableMinor: 40n },
    { ...shop, balanceMinor: 0n, creditsPendingMinor: 60n, availableMinor: 0n },
  ]);
  expect(await availableOf(school, wallet)).toBe(40n);
  const holdSequence = made?.holdSequence ?? 0n;
  const on = () => ({ ledgerId, idempotencyKey: newKey(), holdSequence });

  await expectRefusal(holds.increaseHold({ ...on(), amountMinor: 41n }), Code.FailedPrecondition, {
    refusal: Refusal.BELOW_FLOOR,
    limitMinor: 0n,
    actualMinor: -1n,
    account: wallet,
  });
  const increased = await holds.increaseHold({ ...on(), amountMinor: 40n });
  expect(increased.hold).toMatchObject({ heldMinor: 100n, remainingMinor: 100n });
  expect(await availableOf(school, wallet)).toBe(0n);

  const voided = await holds.voidHold({ ...on(), amountMinor: 10n });
  expect(voided.hold).toMatchObject({ voidedMinor: 10n, remainingMinor: 90n });
  expect(await availableOf(school, wallet)).toBe(10n);

  const first = await holds.captureHold({
    ...on(),
    amountMinor: 30n,
    description: "the first parcel",
    metadata: [{ key: "parcel", value: "1" }],
    effectiveTime: { seconds: 1_600_000_000n, nanos: 0 },
  });
  expect(first.transaction).toMatchObject({
    description: "the first parcel",
    metadata: [{ key: "parcel", value: "1" }],
    effectiveTime: { seconds: 1_600_000_000n },
    entries: [{ amountMinor: 30n }, { amountMinor: 30n }],
    hold: { holdSequence, capturedMinor: 30n, remainingMinor: 60n, status: HoldStatus.OPEN },
  });
  expect(first.balances).toMatchObject([
    { ...wallet, balanceMinor: 70n, debitsPendingMinor: 60n, availableMinor: 10n },
    { ...shop, balanceMinor: 30n, creditsPendingMinor: 60n, availableMinor: 30n },
  ]);

  const last = await holds.captureHold({ ...on(), amountMinor: 20n, final: true });
  expect(last.transaction?.hold).toMatchObject({
    capturedMinor: 50n,
    voidedMinor: 50n,
    remainingMinor: 0n,
    status: HoldStatus.CAPTURED,
  });
  expect(await availableOf(school, wallet)).toBe(50n);
  expect(await availableOf(school, shop)).toBe(50n);
  const { hold: read } = await holds.getHold({ ledgerId, holdSequence });
  expect(read).toEqual(last.transaction?.hold);
  await expectRefusal(holds.voidHold(on()), Code.FailedPrecondition, {
    refusal: Refusal.HOLD_ENDED,
    ledgerSequence: holdSequence,
  });
});

test("captures may exceed what is held by the tolerance, and by no more", async () => {
  const { wallet, hold } = await openWallet(school, 100n);
  const make = hold({ amountMinor: 40n, toleranceMinor: 5n });
  const holdSequence = (await holds.createHold(make)).hold?.holdSequence ?? 0n;
  const on = () => ({ ledgerId, idempotencyKey: newKey(), holdSequence });
  await holds.captureHold({ ...on(), amountMinor: 10n });
  const detail = { refusal: Refusal.HOLD_EXCEEDED, limitMinor: 35n, actualMinor: 36n };
  await expectRefusal(
    holds.captureHold({ ...on(), amountMinor: 36n }),
    Code.FailedPrecondition,
    detail,
  );
  const { transaction } = await holds.captureHold({ ...on(), amountMinor: 35n });
  expect(transaction?.hold).toMatchObject({ capturedMinor: 45n, status: HoldStatus.CAPTURED });
  expect(await availableOf(school, wallet)).toBe(55n);
});

test("however many capture one hold at once, they never capture more than was held", async () => {
  const { wallet, shop, hold } = await openWallet(school, 1_000n);
  const { hold: made } = await holds.createHold(hold({ amountMinor: 100n, toleranceMinor: 3n }));
  const holdSequence = made?.holdSequence ?? 0n;
  const answers = await Promise.allSettled(
    Array.from({ length: 50 }, () => {
      return holds.captureHold({
        ledgerId,
        idempotencyKey: newKey(),
        holdSequence,
        amountMinor: 7n,
      });
    }),
  );
  const captured = answers.filter(({ status }) => status === "fulfilled");
  // Fourteen leave two, and the tolerance is one too few for another seven.
  expect(captured.length).toBe(14);
  expect((await holds.getHold({ ledgerId, holdSequence })).hold).toMatchObject({
    capturedMinor: 98n,
    remainingMinor: 2n,
  });
  expect(await availableOf(school, shop)).toBe(98n);
  expect(await availableOf(school, wallet)).toBe(900n);
});

test("a key that is used again gets the same answer", async () => {
  const { wallet, shop, hold } = await openWallet(school, 100n);
  const make = hold({ amountMinor: 60n });
  const made = await holds.createHold(make);
  const holdSequence = made.hold?.holdSequence ?? 0n;
  const on = { ledgerId, holdSequence, idempotencyKey: newKey() };
  const captured = await holds.captureHold({ ...on, amountMinor: 20n });
  const less = { ...on, idempotencyKey: newKey(), amountMinor: 5n };
  const voided = await holds.voidHold(less);

  const again = await holds.createHold(make);
  expect(again).toMatchObject({ hold: made.hold, replayed: true });
  expect(again.balances).toMatchObject([
    { ...wallet, balanceMinor: 100n },
    { ...shop, balanceMinor: 0n },
  ]);
  expect(await holds.captureHold({ ...on, amountMinor: 20n })).toMatchObject({
    transaction: captured.transaction,
    replayed: true,
    balances: [{ balanceMinor: 80n }, { balanceMinor: 20n }],
  });
  expect(await holds.voidHold(less)).toMatchObject({ hold: voided.hold, replayed: true });
  const conflict = { refusal: Refusal.IDEMPOTENCY_CONFLICT };
  const others = [
    () => holds.createHold({ ...make, toleranceMinor: 1n }),
    () => holds.captureHold({ ...on, amountMinor: 20n, final: true }),
    () => holds.voidHold({ ...less, amountMinor: 6n }),
    () => holds.increaseHold(less),
  ];
  for (const other of others) await expectRefusal(other(), Code.AlreadyExists, conflict);

  const refused = { ...on, idempotencyKey: newKey(), amountMinor: 1_000n };
  const detail = { refusal: Refusal.HOLD_EXCEEDED, limitMinor: 35n };
  await expectRefusal(holds.voidHold(refused), Code.FailedPrecondition, detail);
  await holds.voidHold({ ...on, idempotencyKey: newKey() });
  await expectRefusal(holds.voidHold(refused), Code.FailedPrecondition, detail);
});

test("holds are listed by account and status, page by page", async () => {
  const { wallet, shop, hold } = await openWallet(school, 1_000n);
  const made: bigint[] = [];
  for (let n = 0; n < 7; n++) {
    const { hold: one } = await holds.createHold(hold({ amountMinor: 10n }));
    made.push(one?.holdSequence ?? 0n);
  }
  const end = (place: number) => {
    const holdSequence = made[place]!;
    return holds.voidHold({ ledgerId, idempotencyKey: newKey(), holdSequence });
  };
  await end(2);
  const list = async (status: HoldStatus, account = wallet) => {
    const found: bigint[] = [];
    let pageToken = "";
    do {
      const page = await holds.listHolds({ ledgerId, account, status, pageSize: 2, pageToken });
      expect(page.holds.length).toBeLessThanOrEqual(2);
      found.push(...page.holds.map(({ holdSequence }) => holdSequence));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    return found;
  };
  expect(await list(HoldStatus.UNSPECIFIED)).toEqual(made);
  expect(await list(HoldStatus.UNSPECIFIED, shop)).toEqual(made);
  expect(await list(HoldStatus.OPEN)).toEqual(made.toSpliced(2, 1));
  expect(await list(HoldStatus.VOIDED)).toEqual([made[2]]);

  const first = await holds.listHolds({ ledgerId, account: wallet, pageSize: 3 });
  await end(4);
  const { pageToken, ...rest } = { pageToken: first.nextPageToken, account: wallet, ledgerId };
  const second = await holds.listHolds({ ...rest, pageSize: 10, pageToken });
  expect(second.holds.map((it) => it.holdSequence)).toEqual(made.slice(3));

  const everywhere = await holds.listHolds({ ledgerId, status: HoldStatus.OPEN, pageSize: 500 });
  const sequences = everywhere.holds.map(({ holdSequence }) => holdSequence);
  expect(sequences).toEqual(expect.arrayContaining([made[0], made[6]]));
  expect(sequences).toEqual(sequences.toSorted((a, b) => Number(a - b)));
  const misused = holds.listHolds({ ledgerId, account: shop, pageToken });
  expect((await errorOf(misused)).code).toBe(Code.InvalidArgument);
});

test("reads wait for what their caller has seen, and refuse what will not come", async () => {
  const { hold } = await openWallet(school, 10n);
  const { hold: made } = await holds.createHold(hold({ amountMinor: 1n }));
  const { holdSequence = 0n, ledgerSequence: minLedgerSequence = 0n } = made ?? {};
  await holds.getHold({ ledgerId, holdSequence, minLedgerSequence });
  const unreached = { minLedgerSequence: minLedgerSequence + 1_000n };
  const detail = { refusal: Refusal.SEQUENCE_NOT_REACHED };
  const reads = [
    () => holds.getHold({ ledgerId, holdSequence, ...unreached }),
    () => holds.listHolds({ ledgerId, ...unreached }),
  ];
  for (const read of reads) await expectRefusal(read(), Code.FailedPrecondition, detail);
});
