// Asks the service over RPC, and brings its answers into one shape. What was not answered is asked
// again, the same under the same key, until it is.

import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { Account, Asset, Balance, Ledger } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import type { Hold } from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import type {
  LedgerService,
  PostTransactionResult,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Period } from "#gen/bursar/ledger/v1/period_pb.ts";
import {
  type RefusalDetail,
  RefusalDetailSchema,
  type Transaction,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { CreateAccount, Keyed, Named, Post, Range } from "./operations.ts";
import { keyToWire, kindToWire, legToWire, limitsToWire, notesToWire, timeToWire } from "./wire.ts";

export type Clients = {
  readonly ledger: Client<typeof LedgerService>;
  readonly holds: Client<typeof HoldService>;
  readonly audit: Client<typeof AuditService>;
};

export type Thing = Ledger | Asset | Account | Transaction | Hold | Period;

export type Answer =
  | {
      readonly kind: "done";
      readonly thing: Thing | undefined;
      readonly balances: readonly Balance[];
      readonly replayed: boolean;
    }
  | { readonly kind: "refused"; readonly detail: RefusalDetail; readonly code: Code | undefined };

/** What became of a call. */
export type Answered<T> = {
  readonly value: T;
  /** When the attempt that was answered began. */
  readonly attempts: number;
};

/** Calls until somebody answers: with a value, or with an error that is one. */
export async function untilAnswered<T>(call: () => Promise<T>): Promise<Answered<T>> {
  for (let attempts = 1; ; attempts++) {
    try {
      return { value: await call(), attempts };
    } catch (error) {
      if (!isSilence(error)) throw error;
    }
    await sleep(20 + Math.random() * 180);
  }
}

const silent: readonly Code[] = [
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Canceled,
  Code.ResourceExhausted,
  Code.Aborted,
];

function isSilence(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return refusalOf(error) === undefined && silent.includes(code);
}

export function refusalOf(error: unknown): RefusalDetail | undefined {
  return ConnectError.from(error).findDetails(RefusalDetailSchema)[0];
}

/** The answer to one request; an error that is no refusal is thrown. */
export async function answerOf(call: Promise<Reply>): Promise<Answer> {
  try {
    const { balances = [], replayed, ...rest } = await call;
    const thing = rest.transaction ?? rest.hold ?? rest.account ?? rest.period ?? rest.asset;
    return { kind: "done", thing: thing ?? rest.ledger, balances, replayed };
  } catch (error) {
    const detail = refusalOf(error);
    if (!detail) throw error;
    return { kind: "refused", detail, code: ConnectError.from(error).code };
  }
}

/** What became of one transaction of a batch. */
export function answerOfResult(result: PostTransactionResult | undefined): Answer {
  const { result: step } = result ?? {};
  if (step?.case === "refused") return { kind: "refused", detail: step.value, code: undefined };
  if (step?.case !== "posted") throw new Error("a result is posted or refused");
  const { transaction: thing, balances, replayed } = step.value;
  return { kind: "done", thing, balances, replayed };
}

type Reply = {
  readonly replayed: boolean;
  readonly balances?: Balance[];
  readonly transaction?: Transaction | undefined;
  readonly hold?: Hold | undefined;
  readonly account?: Account | undefined;
  readonly period?: Period | undefined;
  readonly asset?: Asset | undefined;
  readonly ledger?: Ledger | undefined;
};

export function sendNamed({ ledger }: Clients, ledgerId: string, asked: Named): Promise<Reply> {
  switch (asked.kind) {
    case "create-ledger":
      return ledger.createLedger({ ledgerId, displayName: asked.name });
    case "register-asset":
      return ledger.registerAsset({ ledgerId, assetCode: asked.asset, scale: asked.scale });
    case "create-account":
      return ledger.createAccount({ ledgerId, ...accountRequest(asked) });
  }
}

export function accountRequest({ account, accountKind, limits, notes }: CreateAccount) {
  return {
    account: keyToWire(account),
    kind: kindToWire(accountKind),
    ...limitsToWire(limits),
    metadata: notesToWire(notes),
  };
}

export function sendKeyed(clients: Clients, ledgerId: string, asked: Keyed): Promise<Reply> {
  const { ledger, holds } = clients;
  const request = { ledgerId, idempotencyKey: asked.key };
  switch (asked.kind) {
    case "post":
      return ledger.postTransaction(postRequest(ledgerId, asked));
    case "reverse":
      return ledger.reverseTransaction({
        ...request,
        ledgerSequence: asked.sequence,
        description: asked.description,
        entries: asked.parts.map(({ index, amount }) => {
          return { entryIndex: index, amountMinor: amount };
        }),
        metadata: notesToWire(asked.notes),
        ...effectiveOf(asked),
      });
    case "release":
      return ledger.releaseSuspenseItem({
        ...request,
        ledgerSequence: asked.sequence,
        entryIndex: asked.index,
        ...(asked.account && { account: keyToWire(asked.account) }),
        description: asked.description,
        ...effectiveOf(asked),
      });
    case "close-period": {
      const { end, description } = asked;
      return ledger.closePeriod({ ...request, endTime: timeToWire(end), description });
    }
    case "update-account":
      return sendUpdate(clients, ledgerId, asked);
    case "create-hold":
      return holds.createHold({
        ...request,
        debitAccount: keyToWire(asked.debit),
        creditAccount: keyToWire(asked.credit),
        amountMinor: asked.amount,
        toleranceMinor: asked.tolerance,
        ...expirationOf(asked.expiration),
        description: asked.description,
        metadata: notesToWire(asked.notes),
      });
    default:
      return sendOnHold(clients, ledgerId, asked);
  }
}

type OnHold = Extract<Keyed, { hold: bigint }>;

function sendOnHold({ holds }: Clients, ledgerId: string, asked: OnHold): Promise<Reply> {
  const request = {
    ledgerId,
    idempotencyKey: asked.key,
    holdSequence: asked.hold,
    amountMinor: asked.amount,
    description: asked.description,
  };
  if (asked.kind === "increase-hold") return holds.increaseHold(request);
  if (asked.kind === "void-hold") return holds.voidHold(request);
  const metadata = notesToWire(asked.notes);
  return holds.captureHold({ ...request, final: asked.final, metadata, ...effectiveOf(asked) });
}

type Update = Extract<Keyed, { kind: "update-account" }>;

function sendUpdate({ ledger }: Clients, ledgerId: string, asked: Update): Promise<Reply> {
  const { change, description } = asked;
  const request = { ledgerId, idempotencyKey: asked.key, account: keyToWire(asked.account) };
  const expectedChangedSequence = asked.expected;
  switch (change.what) {
    case "notes": {
      const metadata = notesToWire(change.notes);
      return ledger.updateAccountMetadata({ ...request, expectedChangedSequence, metadata });
    }
    case "limits": {
      const limits = limitsToWire(change.limits);
      return ledger.updateAccountLimits({ ...request, expectedChangedSequence, ...limits });
    }
    case "freeze":
      return ledger.freezeAccount({ ...request, description });
    case "unfreeze":
      return ledger.unfreezeAccount({ ...request, description });
    case "close":
      return ledger.closeAccount({ ...request, description });
  }
}

export function postRequest(ledgerId: string, asked: Post) {
  return {
    ledgerId,
    idempotencyKey: asked.key,
    entries: asked.legs.map(legToWire),
    description: asked.description,
    metadata: notesToWire(asked.notes),
    ...effectiveOf(asked),
    preconditions: asked.preconditions.map(({ account, balance, available, version }) => ({
      account: keyToWire(account),
      ...(balance && { balance: rangeToWire(balance) }),
      ...(available && { available: rangeToWire(available) }),
      ...(version !== undefined && { version }),
    })),
    linkGroup: asked.group,
  };
}

function rangeToWire({ gte, lte, eq }: Range) {
  return {
    ...(gte !== undefined && { gteMinor: gte }),
    ...(lte !== undefined && { lteMinor: lte }),
    ...(eq !== undefined && { eqMinor: eq }),
  };
}

function effectiveOf({ effective }: { readonly effective: bigint | undefined }) {
  return effective === undefined ? {} : { effectiveTime: timeToWire(effective) };
}

function expirationOf(expiration: Extract<Keyed, { kind: "create-hold" }>["expiration"]) {
  if (!expiration) return {};
  if ("at" in expiration) {
    const value = timeToWire(expiration.at);
    return { expiration: { case: "expireTime", value } } as const;
  }
  const value = timeToWire(expiration.after);
  return { expiration: { case: "timeToLive", value } } as const;
}
