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
import {
  AccountOpenedSchema,
  AssetRegisteredSchema,
  LedgerCreatedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import type { RefusalDetail, Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { validate } from "#mesh/policy/validation.ts";
import type { Books, JournalFact, Time } from "./rules/books.ts";
import { kindToWire, refusalToWire, transactionToWire } from "./wire.ts";

export const ledgerEvents = [
  LedgerCreatedSchema,
  AssetRegisteredSchema,
  AccountOpenedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
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
      const { accountCode, assetCode } = fact.account;
      const account = { accountCode, assetCode };
      const kind = kindToWire(fact.account.kind);
      return row(fact, AccountOpenedSchema, { ...common, account, kind, recordedTime });
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

/** The refusal of a TransactionRefused. */
export function decodeRefusal(data: Uint8Array): RefusalDetail {
  const { refusal } = fromBinary(TransactionRefusedSchema, data);
  if (!refusal) throw new Error("a refused fact in the journal has no refusal");
  return refusal;
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
  for (const { sequence, subject, data } of rows) {
    const front = Buffer.alloc(16 + Buffer.byteLength(subject));
    front.writeBigInt64BE(sequence);
    const length = front.write(subject, 12);
    front.writeUInt32BE(length, 8);
    front.writeUInt32BE(data.length, 12 + length);
    hash.update(front).update(data);
  }
  return hash.digest();
}
