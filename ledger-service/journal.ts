// The journal: every fact as the exact bytes of its event, and the hash that chains one batch of
// facts to the one before it. Who has the bytes can check the chain without this code.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Account } from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  AccountOpenedSchema,
  AccountUpdatedSchema,
  AssetRegisteredSchema,
  HoldCreatedSchema,
  HoldExpiredSchema,
  HoldIncreasedSchema,
  HoldVoidedSchema,
  LedgerCreatedSchema,
  PeriodClosedSchema,
  RequestRefusedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import type { Hold } from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { Period } from "#gen/bursar/ledger/v1/period_pb.ts";
import type { RefusalDetail, Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { validate } from "#mesh/policy/validation.ts";
import type { Books } from "./rules/books.ts";
import type { JournalFact, Time } from "./rules/records.ts";
import {
  accountToWire,
  holdToWire,
  kindToWire,
  limitsToWire,
  periodToWire,
  transactionToWire,
} from "./wire.ts";
import { refusalToWire } from "./wire-refusal.ts";

export const ledgerEvents = [
  LedgerCreatedSchema,
  AssetRegisteredSchema,
  AccountOpenedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
  RequestRefusedSchema,
  AccountUpdatedSchema,
  HoldCreatedSchema,
  HoldIncreasedSchema,
  HoldVoidedSchema,
  HoldExpiredSchema,
  PeriodClosedSchema,
] as const;

export type JournalRow = {
  readonly sequence: bigint;
  /** Full name of the event's message. */
  readonly subject: string;
  readonly data: Uint8Array;
};

export function encodeFact(books: Books, fact: JournalFact): JournalRow {
  const { ledgerId, recordedTime } = books;
  const common = { ledgerId, ledgerSequence: fact.sequence };
  switch (fact.kind) {
    case "ledger-created": {
      const { displayName } = fact;
      return row(fact, LedgerCreatedSchema, { ...common, displayName, recordedTime });
    }
    case "asset-registered": {
      const { assetCode, scale } = fact.asset;
      const asset = { assetCode, scale };
      return row(fact, AssetRegisteredSchema, { ...common, asset, recordedTime });
    }
    case "account-opened": {
      const { accountCode, assetCode, limits, metadata = [] } = fact.account;
      const account = { accountCode, assetCode };
      const kind = kindToWire(fact.account.kind);
      const more = { metadata: [...metadata], ...limitsToWire(limits) };
      return row(fact, AccountOpenedSchema, { ...common, account, kind, recordedTime, ...more });
    }
    case "transaction-posted": {
      const transaction = transactionToWire(ledgerId, recordedTime, fact.transaction);
      return row(fact, TransactionPostedSchema, { ...common, transaction });
    }
    case "transaction-refused": {
      const { idempotencyKey } = fact;
      const refusal = refusalToWire(fact.refusal, idempotencyKey);
      const event = { ...common, idempotencyKey, refusal, recordedTime };
      return row(fact, TransactionRefusedSchema, event);
    }
    case "request-refused": {
      const { idempotencyKey } = fact;
      const refusal = refusalToWire(fact.refusal, idempotencyKey);
      const event = { ...common, idempotencyKey, refusal, recordedTime };
      return row(fact, RequestRefusedSchema, event);
    }
    case "account-updated": {
      const { idempotencyKey, description } = fact;
      const account = accountToWire(ledgerId, fact.account);
      const event = { ...common, idempotencyKey, account, description, recordedTime };
      return row(fact, AccountUpdatedSchema, event);
    }
    case "hold-created": {
      const { idempotencyKey } = fact;
      const hold = holdToWire(ledgerId, fact.hold);
      return row(fact, HoldCreatedSchema, { ...common, idempotencyKey, hold, recordedTime });
    }
    case "hold-increased":
    case "hold-voided": {
      const { idempotencyKey, amountMinor, description } = fact;
      const hold = holdToWire(ledgerId, fact.hold);
      const event = { ...common, idempotencyKey, hold, amountMinor, description, recordedTime };
      const schema = fact.kind === "hold-increased" ? HoldIncreasedSchema : HoldVoidedSchema;
      return row(fact, schema, event);
    }
    case "hold-expired": {
      const { amountMinor } = fact;
      const hold = holdToWire(ledgerId, fact.hold);
      return row(fact, HoldExpiredSchema, { ...common, hold, amountMinor, recordedTime });
    }
    case "period-closed": {
      const { idempotencyKey } = fact;
      const period = periodToWire(ledgerId, fact.period);
      const event = { ...common, idempotencyKey, period, recordedTime };
      return row(fact, PeriodClosedSchema, event);
    }
  }
}

function row<D extends DescMessage>(
  { sequence }: JournalFact,
  schema: D,
  event: MessageInitShape<D>,
): JournalRow {
  const message = create(schema, event);
  // What is written here is published as it stands: a fact that its readers would refuse must not
  // be committed.
  const problems = validate(schema, message);
  assert(problems.length === 0, `${schema.typeName} is invalid: ${JSON.stringify(problems)}`);
  return { sequence, subject: schema.typeName, data: toBinary(schema, message) };
}

/** The whole transaction of a TransactionPosted. */
export function decodeTransaction(data: Uint8Array): Transaction {
  const { transaction } = fromBinary(TransactionPostedSchema, data);
  if (!transaction) throw new Error("a posted fact in the journal has no transaction");
  return transaction;
}

/** The refusal of a TransactionRefused or a RequestRefused. */
export function decodeRefusal({ subject, data }: JournalRow): RefusalDetail {
  const refused = subject === RequestRefusedSchema.typeName;
  const { refusal } = fromBinary(refused ? RequestRefusedSchema : TransactionRefusedSchema, data);
  if (!refusal) throw new Error("a refused fact in the journal has no refusal");
  return refusal;
}

/** The hold after a HoldCreated, HoldIncreased or HoldVoided. */
export function decodeHold({ subject, data }: JournalRow): Hold {
  const schema = [HoldCreatedSchema, HoldIncreasedSchema, HoldVoidedSchema].find(
    ({ typeName }) => typeName === subject,
  );
  const hold = schema && fromBinary(schema, data).hold;
  if (!hold) throw new Error(`a ${subject} in the journal has no hold`);
  return hold;
}

/** The account after an AccountUpdated. */
export function decodeAccount({ subject, data }: JournalRow): Account {
  assert(subject === AccountUpdatedSchema.typeName, `${subject} is no AccountUpdated`);
  const { account } = fromBinary(AccountUpdatedSchema, data);
  if (!account) throw new Error("an updated account in the journal has no account");
  return account;
}

/** The period of a PeriodClosed. */
export function decodePeriod({ subject, data }: JournalRow): Period {
  assert(subject === PeriodClosedSchema.typeName, `${subject} is no PeriodClosed`);
  const { period } = fromBinary(PeriodClosedSchema, data);
  if (!period) throw new Error("a closed period in the journal has no period");
  return period;
}

export const hashAlgorithm = "sha256";
export const hashFormatVersion = 1;
/** What the first batch of a ledger continues. */
export const noHash: Uint8Array = new Uint8Array(32);

export type BatchHeader = {
  readonly ledgerId: string;
  readonly recordedTime: Time;
  readonly previousHash: Uint8Array;
};

/**
 * Format 1, all integers big-endian: the text `bursar.ledger.batch/1`, a zero byte, the length of
 * the ledger id (4 bytes) and the id, seconds (8) and nanoseconds (4) of the recorded time, the
 * previous hash (32), then of each fact in order its sequence (8), the length of its subject (4),
 * the subject, the length of its bytes (4) and the bytes.
 */
export function hashBatch(header: BatchHeader, rows: readonly JournalRow[]): Buffer {
  const hash = beginBatchHash(header);
  for (const row of rows) hash.add(row);
  return hash.digest();
}

export type BatchHash = { add(row: JournalRow): void; digest(): Buffer };

/** The same, for who does not hold all of a batch's facts at once. */
export function beginBatchHash(header: BatchHeader): BatchHash {
  const ledgerId = Buffer.from(header.ledgerId);
  const fixed = Buffer.alloc(4);
  fixed.writeUInt32BE(ledgerId.length);
  const time = Buffer.alloc(12);
  time.writeBigInt64BE(header.recordedTime.seconds);
  time.writeUInt32BE(header.recordedTime.nanos, 8);
  const hash = createHash(hashAlgorithm)
    .update(`bursar.ledger.batch/${hashFormatVersion}\0`)
    .update(fixed)
    .update(ledgerId)
    .update(time)
    .update(header.previousHash);
  return {
    add({ sequence, subject, data }) {
      const front = Buffer.alloc(16 + Buffer.byteLength(subject));
      front.writeBigInt64BE(sequence);
      const length = front.write(subject, 12);
      front.writeUInt32BE(length, 8);
      front.writeUInt32BE(data.length, 12 + length);
      hash.update(front).update(data);
    },
    digest: () => hash.digest(),
  };
}
