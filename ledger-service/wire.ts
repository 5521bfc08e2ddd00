// The ledger's own types as messages of bursar.ledger.v1, and back.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import * as wireAccount from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  type PaymentStateSchema,
  type RefusalDetailSchema,
  type TransactionSchema,
  Refusal as WireRefusal,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Balance, Entry, Payment, Side, Time, Transaction } from "./rules/books.ts";
import type { AccountKind } from "./rules/chart.ts";
import { int64Max, type Refusal } from "./rules/posting.ts";
import { refundedMinor } from "./rules/refund-rules.ts";

const { AccountKind: WireKind, Side: WireSide } = wireAccount;

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
  };
}

export function balanceMinor(kind: AccountKind, debitsMinor: bigint, creditsMinor: bigint): bigint {
  const growsByDebits = kind === "asset" || kind === "expense";
  return growsByDebits ? debitsMinor - creditsMinor : creditsMinor - debitsMinor;
}

const refusals = {
  "idempotency-conflict": WireRefusal.IDEMPOTENCY_CONFLICT,
  "ledger-not-found": WireRefusal.LEDGER_NOT_FOUND,
  "ledger-exists": WireRefusal.LEDGER_EXISTS,
  "asset-not-found": WireRefusal.ASSET_NOT_FOUND,
  "asset-exists": WireRefusal.ASSET_EXISTS,
  "account-not-found": WireRefusal.ACCOUNT_NOT_FOUND,
  "account-exists": WireRefusal.ACCOUNT_EXISTS,
  unbalanced: WireRefusal.UNBALANCED,
  "amount-out-of-range": WireRefusal.AMOUNT_OUT_OF_RANGE,
  "transaction-not-found": WireRefusal.TRANSACTION_NOT_FOUND,
  "already-reversed": WireRefusal.ALREADY_REVERSED,
  "metadata-duplicate": WireRefusal.METADATA_DUPLICATE,
  "asset-scale": WireRefusal.ASSET_SCALE,
  "account-kind": WireRefusal.ACCOUNT_KIND,
} satisfies Record<Refusal["reason"], WireRefusal>;

export function refusalToWire(
  refusal: Refusal,
  idempotencyKey: string,
): MessageInitShape<typeof RefusalDetailSchema> {
  const account = "account" in refusal ? refusal.account : undefined;
  const assetCode = "assetCode" in refusal ? refusal.assetCode : account?.assetCode;
  return {
    refusal: refusals[refusal.reason],
    idempotencyKey,
    ...(account && { account }),
    ...(assetCode && { assetCode }),
    ...("sequence" in refusal && { ledgerSequence: refusal.sequence }),
    ...(refusal.reason === "unbalanced" && differenceOf(refusal)),
  };
}

/** Sums of a thousand entries may leave int64, in which they are told; then they stay out. */
function differenceOf({
  debitsMinor,
  creditsMinor,
}: {
  debitsMinor: bigint;
  creditsMinor: bigint;
}) {
  return debitsMinor <= int64Max && creditsMinor <= int64Max ? { debitsMinor, creditsMinor } : {};
}
