// The ledger's own types as messages of bursar.ledger.v1, and back.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import * as wireAccount from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  type HoldSchema,
  type Hold as WireHold,
  HoldStatus as WireHoldStatus,
} from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { PeriodSchema } from "#gen/bursar/ledger/v1/period_pb.ts";
import type {
  PaymentStateSchema,
  TransactionSchema,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { AccountKind } from "./rules/chart.ts";
import { remainingMinor } from "./rules/hold-books.ts";
import { availableMinor, balanceMinor } from "./rules/limits.ts";
import type {
  Account,
  AccountKey,
  AccountStatus,
  Balance,
  Entry,
  Hold,
  HoldStatus,
  Limits,
  Payment,
  Period,
  Side,
  Time,
  Transaction,
} from "./rules/records.ts";
import { refundedMinor } from "./rules/refund-rules.ts";
import type { PastBalance } from "./store/as-of.ts";
import { refusalReasons } from "./wire-refusal.ts";

const { AccountKind: WireKind, AccountStatus: WireStatus, Side: WireSide } = wireAccount;

const kinds = {
  asset: WireKind.ASSET,
  liability: WireKind.LIABILITY,
  equity: WireKind.EQUITY,
  income: WireKind.INCOME,
  expense: WireKind.EXPENSE,
} satisfies Record<AccountKind, wireAccount.AccountKind>;

const sides = {
  debit: WireSide.DEBIT,
  credit: WireSide.CREDIT,
} satisfies Record<Side, wireAccount.Side>;

const kindOfWire = new Map(Object.entries(kinds).map(([kind, wire]) => [wire, kind]));
const sideOfWire = new Map(Object.entries(sides).map(([side, wire]) => [wire, side]));

export function kindToWire(kind: AccountKind): wireAccount.AccountKind {
  return kinds[kind];
}

/** Validation admits defined kinds only. */
export function kindFromWire(wire: wireAccount.AccountKind): AccountKind {
  const kind = kindOfWire.get(wire as (typeof kinds)[AccountKind]);
  assert(kind, `account kind ${wire} is unknown`);
  return kind as AccountKind;
}

export function entryFromWire(entry: {
  readonly account?: { readonly accountCode: string; readonly assetCode: string } | undefined;
  readonly side: wireAccount.Side;
  readonly amountMinor: bigint;
}): Entry {
  const side = sideOfWire.get(entry.side as (typeof sides)[Side]);
  assert(entry.account && side, "an entry has an account and a side");
  const { accountCode, assetCode } = entry.account;
  return {
    account: { accountCode, assetCode },
    side: side as Side,
    amountMinor: entry.amountMinor,
  };
}

export function sideToWire(side: Side): wireAccount.Side {
  return sides[side];
}

export function transactionToWire(
  ledgerId: string,
  recordedTime: Time,
  transaction: Transaction,
): MessageInitShape<typeof TransactionSchema> {
  const { payment } = transaction;
  return {
    ledgerId,
    ledgerSequence: transaction.sequence,
    idempotencyKey: transaction.idempotencyKey,
    entries: transaction.entries.map(({ account, side, amountMinor }) => {
      return { account, side: sides[side], amountMinor };
    }),
    description: transaction.description,
    metadata: [...transaction.metadata],
    effectiveTime: transaction.effectiveTime,
    recordedTime,
    reversesSequence: transaction.reversesSequence,
    ...(payment && { paymentState: paymentToWire(ledgerId, payment) }),
    ...(transaction.reversesEntries && { reversesEntries: [...transaction.reversesEntries] }),
    ...(transaction.hold && { hold: holdToWire(ledgerId, transaction.hold) }),
    ...(transaction.suspended && {
      suspendedEntries: transaction.suspended.map(({ entryIndex, account, reason }) => {
        return { entryIndex, account, refusal: refusalReasons[reason] };
      }),
    }),
    ...(transaction.occurredTime && { occurredTime: transaction.occurredTime }),
    ...(transaction.releases && {
      releases: {
        ledgerSequence: transaction.releases.sequence,
        entryIndex: transaction.releases.entryIndex,
      },
    }),
  };
}

export function paymentToWire(
  ledgerId: string,
  payment: Payment,
): MessageInitShape<typeof PaymentStateSchema> {
  return {
    paymentId: payment.paymentId,
    orderId: payment.orderId,
    ledgerId,
    ledgerSequence: payment.sequence,
    currencyCode: payment.currencyCode,
    paidMinor: payment.paidMinor,
    refundedMinor: refundedMinor(payment),
    disputedMinor: payment.disputedMinor,
    lostMinor: payment.lostMinor,
  };
}

export function balanceToWire(
  balance: Balance,
): MessageInitShape<typeof wireAccount.BalanceSchema> {
  const { kind, debitsMinor, creditsMinor } = balance;
  return {
    accountCode: balance.accountCode,
    assetCode: balance.assetCode,
    kind: kinds[kind],
    debitsMinor,
    creditsMinor,
    balanceMinor: balanceMinor(kind, debitsMinor, creditsMinor),
    version: balance.version,
    ledgerSequence: balance.sequence,
    debitsPendingMinor: balance.debitsPendingMinor,
    creditsPendingMinor: balance.creditsPendingMinor,
    availableMinor: availableMinor(balance),
  };
}

/** Nobody remembers what was pending in the past. */
export function pastBalanceToWire(
  balance: PastBalance,
): MessageInitShape<typeof wireAccount.BalanceSchema> {
  const { accountCode, assetCode, kind, debitsMinor, creditsMinor, version, sequence } = balance;
  return {
    accountCode,
    assetCode,
    kind: kinds[kind],
    debitsMinor,
    creditsMinor,
    balanceMinor: balanceMinor(kind, debitsMinor, creditsMinor),
    version,
    ledgerSequence: sequence,
  };
}

const statuses = {
  open: WireStatus.OPEN,
  frozen: WireStatus.FROZEN,
  closed: WireStatus.CLOSED,
} satisfies Record<AccountStatus, wireAccount.AccountStatus>;

const statusOfWire = new Map(Object.entries(statuses).map(([status, wire]) => [wire, status]));

/** Validation admits defined statuses only. */
export function statusFromWire(wire: wireAccount.AccountStatus): AccountStatus {
  const status = statusOfWire.get(wire as (typeof statuses)[AccountStatus]);
  assert(status, `account status ${wire} is unknown`);
  return status as AccountStatus;
}

export function accountToWire(
  ledgerId: string,
  account: Readonly<Account>,
): MessageInitShape<typeof wireAccount.AccountSchema> {
  const { accountCode, assetCode, kind, openedSequence, openTime, changedSequence } = account;
  return {
    ledgerId,
    accountCode,
    assetCode,
    kind: kinds[kind],
    openedSequence,
    openTime,
    status: statuses[account.status],
    ...limitsToWire(account.limits),
    metadata: [...(account.metadata ?? [])],
    changedSequence,
  };
}

/** Absent when there are none. */
export function limitsToWire({ floorMinor, ceilingMinor }: Limits): {
  limits?: MessageInitShape<typeof wireAccount.AccountLimitsSchema>;
} {
  if (floorMinor === undefined && ceilingMinor === undefined) return {};
  return {
    limits: {
      ...(floorMinor !== undefined && { floorMinor }),
      ...(ceilingMinor !== undefined && { ceilingMinor }),
    },
  };
}

export function limitsFromWire(limits: wireAccount.AccountLimits | undefined): Limits {
  return { floorMinor: limits?.floorMinor, ceilingMinor: limits?.ceilingMinor };
}

const holdStatuses = {
  open: WireHoldStatus.OPEN,
  captured: WireHoldStatus.CAPTURED,
  voided: WireHoldStatus.VOIDED,
  expired: WireHoldStatus.EXPIRED,
} satisfies Record<HoldStatus, WireHoldStatus>;

export function holdToWire(ledgerId: string, hold: Hold): MessageInitShape<typeof HoldSchema> {
  const { expireTime } = hold;
  return {
    ledgerId,
    holdSequence: hold.holdSequence,
    debitAccount: hold.debitAccount,
    creditAccount: hold.creditAccount,
    heldMinor: hold.heldMinor,
    capturedMinor: hold.capturedMinor,
    voidedMinor: hold.voidedMinor,
    remainingMinor: remainingMinor(hold),
    toleranceMinor: hold.toleranceMinor,
    status: holdStatuses[hold.status],
    ...(expireTime && { expireTime }),
    description: hold.description,
    metadata: [...hold.metadata],
    createTime: hold.createTime,
    ledgerSequence: hold.sequence,
  };
}

const holdStatusOfWire = new Map(Object.entries(holdStatuses).map(([name, wire]) => [wire, name]));

export function holdStatusFromWire(wire: WireHoldStatus): HoldStatus | undefined {
  return holdStatusOfWire.get(wire as (typeof holdStatuses)[HoldStatus]) as HoldStatus | undefined;
}

/** As the ledger wrote it. */
export function holdFromWire(hold: WireHold): Hold {
  const { debitAccount, creditAccount, expireTime, createTime } = hold;
  const status = holdStatusFromWire(hold.status);
  assert(debitAccount && creditAccount && createTime && status, "a hold in the journal is whole");
  return {
    holdSequence: hold.holdSequence,
    debitAccount: accountKeyOf(debitAccount),
    creditAccount: accountKeyOf(creditAccount),
    heldMinor: hold.heldMinor,
    capturedMinor: hold.capturedMinor,
    voidedMinor: hold.voidedMinor,
    toleranceMinor: hold.toleranceMinor,
    status,
    expireTime: expireTime && timeOf(expireTime),
    description: hold.description,
    metadata: hold.metadata.map(({ key, value }) => ({ key, value })),
    createTime: timeOf(createTime),
    sequence: hold.ledgerSequence,
  };
}

function accountKeyOf({ accountCode, assetCode }: AccountKey): AccountKey {
  return { accountCode, assetCode };
}

function timeOf({ seconds, nanos }: Time): Time {
  return { seconds, nanos };
}

export function periodToWire(
  ledgerId: string,
  { endTime, closedSequence, closeTime, description }: Period,
): MessageInitShape<typeof PeriodSchema> {
  return { ledgerId, endTime, closedSequence, closeTime, description };
}
