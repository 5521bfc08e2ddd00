// ExplainBalance: a balance, walked back to its entries, their transactions, the webhooks that caused
// those, and the batches whose hashes cover them.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import type {
  BalanceStepSchema,
  ExplainBalanceRequest,
  ExplainBalanceResponseSchema,
  WebhookOriginSchema,
} from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { Refusal, type Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { decodeTransaction, type JournalRow } from "../journal.ts";
import { balanceMinor } from "../rules/limits.ts";
import { readBalanceAsOf } from "../store/as-of.ts";
import {
  listStepsBefore,
  readExtent,
  readProvided,
  readTotalsUpTo,
  type StepRow,
} from "../store/explain.ts";
import { readBatchedFacts } from "../store/facts.ts";
import { type AccountRow, readAccount } from "../store/read.ts";
import { balanceToWire, pastBalanceToWire } from "../wire.ts";
import { asOfFilter, asOfFromWire } from "./as-of.ts";
import { findLedger, requireReached } from "./min-sequence.ts";
import { cutPinnedPage, pageSizeOf, readPinnedToken } from "./page-token.ts";
import { notFound } from "./refusal-error.ts";

export async function explainBalance(
  pool: Pool,
  request: ExplainBalanceRequest,
  context: HandlerContext,
): Promise<MessageInitShape<typeof ExplainBalanceResponseSchema>> {
  const { ledgerId, pageToken, minLedgerSequence } = request;
  const asOf = asOfFromWire(request.asOf);
  const ledger = await findLedger(pool, context, ledgerId, minLedgerSequence);
  requireReached(ledger, asOf?.sequence);
  const account = await findAccount(pool, ledger.id, request.account);
  const { accountCode, assetCode, accountId, kind } = account;
  const filter = ["ExplainBalance", ledgerId, accountCode, assetCode, ...asOfFilter(asOf)];
  const token = readPinnedToken(filter, pageToken);
  // Read before the account was, the ledger's head may lack what the account has.
  const latest = asOf ? ledger.headSequence : account.sequence;
  const sequence = token?.sequence ?? asOf?.sequence ?? latest;
  const pinned = { sequence, effectiveTime: asOf?.effectiveTime };

  const extent = await readExtent(pool, accountId, { sequence, until: asOf?.effectiveTime });
  const size = pageSizeOf(request.pageSize);
  const before = token?.after ?? extent.known + 1n;
  const rows = await listStepsBefore(pool, extent, { before, limit: size + 1 });
  const { page, nextPageToken } = cutPinnedPage(rows, size, filter, ({ version }) => {
    return { after: version, sequence };
  });
  const after = await readTotalsUpTo(pool, extent, page[0]?.version ?? 0n);
  const balanceAfterMinor = balanceMinor(kind, after.debitsMinor, after.creditsMinor);
  const changes = page.map((row) => changeOf(account, row));
  const isNow = !asOf && !token;
  const past = isNow ? undefined : await readBalanceAsOf(pool, ledger.id, account, pinned);
  return {
    balance: past ? pastBalanceToWire(past) : balanceToWire(account),
    steps: await stepsOf(pool, ledger.id, page, changes),
    balanceBeforeMinor: changes.reduce((left, change) => left - change, balanceAfterMinor),
    balanceAfterMinor,
    nextPageToken,
  };
}

async function findAccount(
  pool: Pool,
  id: bigint,
  key: ExplainBalanceRequest["account"],
): Promise<AccountRow> {
  assert(key, "validation requires the account");
  const { accountCode, assetCode } = key;
  const account = await readAccount(pool, id, { accountCode, assetCode });
  if (account) return account;
  const named = { account: { accountCode, assetCode }, assetCode };
  throw notFound({ refusal: Refusal.ACCOUNT_NOT_FOUND, ...named });
}

/** In the direction in which the account grows. */
function changeOf({ kind }: AccountRow, { amountMinor }: StepRow): bigint {
  return amountMinor > 0n
    ? balanceMinor(kind, amountMinor, 0n)
    : balanceMinor(kind, 0n, -amountMinor);
}

async function stepsOf(
  pool: Pool,
  id: bigint,
  rows: readonly StepRow[],
  changes: readonly bigint[],
): Promise<MessageInitShape<typeof BalanceStepSchema>[]> {
  if (rows.length === 0) return [];
  const sequences = rows.map(({ sequence }) => sequence);
  const facts = await readBatchedFacts(pool, id, [...new Set(sequences)]);
  const transactions = decodeAll(facts.values());
  const origins = await originsOf(pool, id, transactions);
  return rows.map(({ version, sequence }, place) => {
    const transaction = transactions.get(sequence);
    const fact = facts.get(sequence);
    assert(transaction && fact, `transaction ${sequence} is in the journal`);
    const webhook = origins.get(transaction.releases?.ledgerSequence ?? sequence);
    return {
      version,
      changeMinor: changes[place] ?? 0n,
      transaction,
      ...(webhook && { webhook }),
      batch: fact.batch,
    };
  });
}

function decodeAll(facts: Iterable<JournalRow>): Map<bigint, Transaction> {
  return new Map([...facts].map(({ sequence, data }) => [sequence, decodeTransaction(data)]));
}

type Origin = MessageInitShape<typeof WebhookOriginSchema>;

/** Of those that providers' facts caused, and of those whose entries they release from suspense. */
async function originsOf(
  pool: Pool,
  id: bigint,
  transactions: ReadonlyMap<bigint, Transaction>,
): Promise<Map<bigint, Origin>> {
  const released = [...transactions.values()].flatMap(({ releases }) => {
    return releases && !transactions.has(releases.ledgerSequence) ? releases.ledgerSequence : [];
  });
  const more = released.length > 0 ? await readBatchedFacts(pool, id, released) : new Map();
  const all = [...transactions.values(), ...decodeAll(more.values()).values()];
  const provided = await readProvided(pool, id, all);
  const caused = all.filter(({ ledgerSequence }) => provided.has(ledgerSequence));
  return new Map(caused.map((of) => [of.ledgerSequence, originOf(of)]));
}

/** A provider's facts are noted with where they came from; so can callers' be, and mean nothing. */
function originOf({ metadata }: Transaction): Origin {
  const notes = new Map(metadata.map(({ key, value }) => [key, value]));
  return {
    webhookId: notes.get("webhook_id") ?? "",
    endpointId: notes.get("endpoint_id") ?? "",
    providerEventId: notes.get("provider_event_id") ?? "",
  };
}
