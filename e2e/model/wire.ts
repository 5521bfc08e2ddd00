// The model's values as messages of bursar.ledger.v1, written anew from the contract: what the
// service sends must be exactly that.

import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import * as wire from "#gen/bursar/ledger/v1/account_pb.ts";
import * as events from "#gen/bursar/ledger/v1/events_pb.ts";
import { HoldSchema, HoldStatus } from "#gen/bursar/ledger/v1/hold_pb.ts";
import { PeriodSchema } from "#gen/bursar/ledger/v1/period_pb.ts";
import {
  RefusalDetailSchema,
  TransactionSchema,
  Refusal as WireRefusal,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import {
  type Account,
  availableOf,
  type Balance,
  balanceOf,
  type Fact,
  type Hold,
  type Period,
  remainingOf,
  type Transaction,
} from "./books.ts";
import type { Key, Kind, Leg, Limits, Named, Note, Time } from "./operations.ts";
import { type Reason, type Refusal, within } from "./refusals.ts";

const second = 1_000_000_000n;

export function timeToWire(time: Time): { seconds: bigint; nanos: number } {
  const nanos = ((time % second) + second) % second;
  return { seconds: (time - nanos) / second, nanos: Number(nanos) };
}

export function timeFromWire(time: { seconds: bigint; nanos: number } | undefined): Time {
  return (time?.seconds ?? 0n) * second + BigInt(time?.nanos ?? 0);
}

export function keyToWire({ code, asset }: Key) {
  return { accountCode: code, assetCode: asset };
}

export function kindToWire(kind: string): wire.AccountKind {
  return wire.AccountKind[kind.toUpperCase() as "ASSET"];
}

export function limitsToWire({ floor, ceiling }: Limits) {
  if (floor === undefined && ceiling === undefined) return {};
  return {
    limits: {
      ...(floor !== undefined && { floorMinor: floor }),
      ...(ceiling !== undefined && { ceilingMinor: ceiling }),
    },
  };
}

export function legToWire({ account, side, amount }: Leg) {
  const column = side === "debit" ? wire.Side.DEBIT : wire.Side.CREDIT;
  return { account: keyToWire(account), side: column, amountMinor: amount };
}

export function reasonToWire(reason: Reason): WireRefusal {
  const name = reason.toUpperCase().replaceAll("-", "_");
  return WireRefusal[name as keyof typeof WireRefusal];
}

export function reasonFromWire(refusal: WireRefusal): string {
  return nameIn(WireRefusal, refusal).replaceAll("_", "-");
}

function nameIn(names: Readonly<Record<string, number>>, value: number): string {
  const [name = "unknown"] = Object.entries(names).find(([, one]) => one === value) ?? [];
  return name.toLowerCase();
}

export function refusalMessage(idempotencyKey: string, refusal: Refusal) {
  const { account, sequence, debits, credits, limit, actual, limitTime, index, noteKey } = refusal;
  const asset = refusal.asset ?? account?.asset;
  return create(RefusalDetailSchema, {
    refusal: reasonToWire(refusal.refused),
    idempotencyKey,
    ...(account && { account: keyToWire(account) }),
    ...(asset !== undefined && { assetCode: asset }),
    ...(sequence !== undefined && { ledgerSequence: sequence }),
    ...(debits !== undefined && { debitsMinor: debits }),
    ...(credits !== undefined && { creditsMinor: credits }),
    ...(limit !== undefined && { limitMinor: within(limit) }),
    ...(actual !== undefined && { actualMinor: within(actual) }),
    ...(limitTime !== undefined && { limitTime: timeToWire(limitTime) }),
    ...(index !== undefined && { index }),
    ...(noteKey !== undefined && { metadataKey: noteKey }),
  });
}

export function balanceMessage(balance: Balance) {
  const { kind, debits, credits, debitsPending, creditsPending } = balance;
  return create(wire.BalanceSchema, {
    accountCode: balance.code,
    assetCode: balance.asset,
    kind: kindToWire(kind),
    debitsMinor: debits,
    creditsMinor: credits,
    balanceMinor: balanceOf(balance),
    version: balance.version,
    ledgerSequence: balance.sequence,
    ...(debitsPending !== undefined &&
      creditsPending !== undefined && {
        debitsPendingMinor: debitsPending,
        creditsPendingMinor: creditsPending,
        availableMinor: availableOf({ kind, debits, credits, debitsPending, creditsPending }),
      }),
  });
}

export function accountMessage(ledgerId: string, account: Readonly<Account>) {
  return create(wire.AccountSchema, {
    ledgerId,
    ...keyToWire(account),
    kind: kindToWire(account.kind),
    openedSequence: account.openedSequence,
    openTime: timeToWire(account.openTime),
    status: wire.AccountStatus[account.status.toUpperCase() as "OPEN"],
    ...limitsToWire(account.limits),
    metadata: notesToWire(account.notes),
    changedSequence: account.changedSequence,
  });
}

export function holdMessage(ledgerId: string, hold: Readonly<Hold>) {
  return create(HoldSchema, {
    ledgerId,
    holdSequence: hold.sequence,
    debitAccount: keyToWire(hold.debit),
    creditAccount: keyToWire(hold.credit),
    heldMinor: hold.held,
    capturedMinor: hold.captured,
    voidedMinor: hold.voided,
    remainingMinor: remainingOf(hold),
    toleranceMinor: hold.tolerance,
    status: HoldStatus[hold.status.toUpperCase() as "OPEN"],
    ...(hold.expire !== undefined && { expireTime: timeToWire(hold.expire) }),
    description: hold.description,
    metadata: notesToWire(hold.notes),
    createTime: timeToWire(hold.created),
    ledgerSequence: hold.changedSequence,
  });
}

export function periodMessage(ledgerId: string, period: Period) {
  return create(PeriodSchema, {
    ledgerId,
    endTime: timeToWire(period.end),
    closedSequence: period.sequence,
    closeTime: timeToWire(period.closed),
    description: period.description,
  });
}

export function transactionMessage(ledgerId: string, transaction: Transaction) {
  const { hold, occurred, releases, payment } = transaction;
  return create(TransactionSchema, {
    ledgerId,
    ledgerSequence: transaction.sequence,
    idempotencyKey: transaction.key,
    entries: transaction.legs.map(legToWire),
    description: transaction.description,
    metadata: notesToWire(transaction.notes),
    effectiveTime: timeToWire(transaction.effective),
    recordedTime: timeToWire(transaction.recorded),
    reversesSequence: transaction.reverses,
    reversesEntries: [...transaction.reversesLegs],
    ...(hold && { hold: holdMessage(ledgerId, hold) }),
    suspendedEntries: transaction.suspended.map(({ index, account, reason }) => {
      return { entryIndex: index, account: keyToWire(account), refusal: reasonToWire(reason) };
    }),
    ...(occurred !== undefined && { occurredTime: timeToWire(occurred) }),
    ...(releases && {
      releases: { ledgerSequence: releases.sequence, entryIndex: releases.index },
    }),
    ...(payment && {
      paymentState: {
        paymentId: payment.paymentId,
        ledgerId,
        ledgerSequence: payment.sequence,
        currencyCode: payment.asset,
        paidMinor: payment.paid,
      },
    }),
  });
}

export type FactMessage = { readonly schema: DescMessage; readonly value: object };

/** The event that the journal holds of a fact. */
export function factMessage(ledgerId: string, fact: Fact): FactMessage {
  const { sequence: ledgerSequence } = fact;
  const base = { ledgerId, ledgerSequence };
  const recordedTime = timeToWire(fact.recorded);
  switch (fact.kind) {
    case "ledger-created":
      return event(events.LedgerCreatedSchema, { ...base, recordedTime, displayName: fact.name });
    case "asset-registered": {
      const asset = { assetCode: fact.asset, scale: fact.scale };
      return event(events.AssetRegisteredSchema, { ...base, recordedTime, asset });
    }
    case "account-opened": {
      const { account } = fact;
      return event(events.AccountOpenedSchema, {
        ...base,
        recordedTime,
        account: keyToWire(account),
        kind: kindToWire(account.kind),
        ...limitsToWire(account.limits),
        metadata: notesToWire(account.notes),
      });
    }
    case "transaction-posted": {
      const transaction = transactionMessage(ledgerId, fact.transaction);
      return event(events.TransactionPostedSchema, { ...base, transaction });
    }
    case "transaction-refused":
    case "request-refused": {
      const posting = fact.kind === "transaction-refused";
      const schema = posting ? events.TransactionRefusedSchema : events.RequestRefusedSchema;
      const refusal = refusalMessage(fact.key, fact.refusal);
      return event(schema, { ...base, recordedTime, idempotencyKey: fact.key, refusal });
    }
    case "account-updated": {
      const { key: idempotencyKey, description } = fact;
      const account = accountMessage(ledgerId, fact.account);
      const more = { recordedTime, idempotencyKey, account, description };
      return event(events.AccountUpdatedSchema, { ...base, ...more });
    }
    case "period-closed": {
      const period = periodMessage(ledgerId, fact.period);
      const more = { recordedTime, idempotencyKey: fact.key, period };
      return event(events.PeriodClosedSchema, { ...base, ...more });
    }
    default: {
      const hold = holdMessage(ledgerId, fact.hold);
      const amountMinor = fact.amount;
      const expired = { ...base, recordedTime, hold, amountMinor };
      if (fact.kind === "hold-expired") return event(events.HoldExpiredSchema, expired);
      const { key: idempotencyKey, description } = fact;
      if (fact.kind === "hold-created") {
        return event(events.HoldCreatedSchema, { ...base, recordedTime, hold, idempotencyKey });
      }
      const up = fact.kind === "hold-increased";
      const schema = up ? events.HoldIncreasedSchema : events.HoldVoidedSchema;
      return event(schema, { ...expired, idempotencyKey, description });
    }
  }
}

function event<D extends DescMessage>(schema: D, value: MessageInitShape<D>): FactMessage {
  return { schema, value: create(schema, value) };
}

export function notesToWire(notes: readonly Note[]): Note[] {
  return notes.map(({ key, value }) => ({ key, value }));
}

/** What must have been asked for, when this is a fact of something that there is once. */
export function namedFromFact(event: { readonly $typeName: string }): Named | undefined {
  switch (event.$typeName) {
    case events.LedgerCreatedSchema.typeName:
      return { kind: "create-ledger", name: (event as events.LedgerCreated).displayName };
    case events.AssetRegisteredSchema.typeName: {
      const { assetCode = "", scale = 0 } = (event as events.AssetRegistered).asset ?? {};
      return { kind: "register-asset", asset: assetCode, scale };
    }
    case events.AccountOpenedSchema.typeName: {
      const { account, kind, limits, metadata } = event as events.AccountOpened;
      return {
        kind: "create-account",
        account: { code: account?.accountCode ?? "", asset: account?.assetCode ?? "" },
        accountKind: nameIn(wire.AccountKind, kind) as Kind,
        limits: { floor: limits?.floorMinor, ceiling: limits?.ceilingMinor },
        notes: notesToWire(metadata),
      };
    }
    default:
      return undefined;
  }
}
