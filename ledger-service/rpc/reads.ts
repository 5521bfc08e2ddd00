// RPCs that read. None of them locks, and each answers from one moment.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { callerOf } from "#mesh/rpc/caller.ts";
import { decodeTransaction } from "../journal.ts";
import { balanceMinor } from "../rules/limits.ts";
import type { AccountKey } from "../rules/records.ts";
import { listEntries, readBalanceAsOf } from "../store/as-of.ts";
import * as store from "../store/read.ts";
import { balanceToWire, pastBalanceToWire, paymentToWire } from "../wire.ts";
import { asOfFilter, asOfFromWire } from "./as-of.ts";
import { findLedger, requireReached } from "./min-sequence.ts";
import { listNoted, notedFilter } from "./noted.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { notFound, nothingPosted } from "./refusal-error.ts";

type Reads = Pick<
  ServiceImpl<typeof LedgerService>,
  | "getLedger"
  | "listLedgers"
  | "listAssets"
  | "getTransaction"
  | "listTransactions"
  | "getBalance"
  | "listEntries"
  | "listPaymentStates"
>;

export function reads(pool: Pool): Reads {
  async function findAccount<R>(key: AccountKey | undefined, read: (key: AccountKey) => R) {
    assert(key, "validation requires the account");
    const { accountCode, assetCode } = key;
    const account = await read({ accountCode, assetCode });
    if (account) return account;
    const named = { account: { accountCode, assetCode }, assetCode };
    throw notFound({ refusal: Refusal.ACCOUNT_NOT_FOUND, ...named });
  }

  return {
    async getLedger({ ledgerId }, context) {
      return { ledger: await findLedger(pool, context, ledgerId) };
    },

    async listLedgers({ pageSize, pageToken }, context) {
      const { ledgerIds } = callerOf(context);
      const filter = ["ListLedgers"];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const rows = await store.listLedgers(pool, { after, limit: size + 1, ledgerIds });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ id }) => id);
      return { ledgers: [...page], nextPageToken };
    },

    async listAssets({ ledgerId }, context) {
      const { id } = await findLedger(pool, context, ledgerId);
      return { assets: await store.listAssets(pool, id) };
    },

    async getTransaction({ ledgerId, name, minLedgerSequence }, context) {
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      assert(name.case, "validation requires a name");
      const row =
        name.case === "ledgerSequence"
          ? await store.readPosted(pool, id, name.value)
          : await store.readPostedByKey(pool, id, name.value);
      if (row) return { transaction: decodeTransaction(row.data) };
      if (name.case === "idempotencyKey") {
        throw nothingPosted(name.value, await store.readKey(pool, id, name.value));
      }
      throw notFound({ refusal: Refusal.TRANSACTION_NOT_FOUND, ledgerSequence: name.value });
    },

    async listTransactions(
      { ledgerId, pageSize, pageToken, paymentId, minLedgerSequence, metadata },
      context,
    ) {
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const notes = notedFilter(metadata, paymentId);
      const filter = ["ListTransactions", ledgerId, paymentId, ...notes.flatMap(Object.values)];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      if (notes.length > 0) return listNoted(pool, id, { notes, after, size, filter });
      const rows = await store.listPosted(pool, id, { after, limit: size + 1, paymentId });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ sequence }) => sequence);
      return { transactions: page.map(({ data }) => decodeTransaction(data)), nextPageToken };
    },

    async getBalance({ ledgerId, account: key, asOf: wireAsOf, minLedgerSequence }, context) {
      const asOf = asOfFromWire(wireAsOf);
      const ledger = await findLedger(pool, context, ledgerId, minLedgerSequence);
      if (!asOf) {
        const account = await findAccount(key, (named) =>
          store.readAccount(pool, ledger.id, named),
        );
        return { balance: balanceToWire(account) };
      }
      requireReached(ledger, asOf.sequence);
      const read = (named: AccountKey) => readBalanceAsOf(pool, ledger.id, named, asOf);
      return { balance: pastBalanceToWire(await findAccount(key, read)) };
    },

    async listEntries(request, context) {
      const { ledgerId, pageSize, pageToken, minLedgerSequence } = request;
      const asOf = asOfFromWire(request.asOf);
      const ledger = await findLedger(pool, context, ledgerId, minLedgerSequence);
      requireReached(ledger, asOf?.sequence);
      const account = await findAccount(request.account, (named) => {
        return store.readAccount(pool, ledger.id, named);
      });
      const { accountCode, assetCode } = account;
      const filter = ["ListEntries", ledgerId, accountCode, assetCode, ...asOfFilter(asOf)];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const rows = await listEntries(pool, account.accountId, { asOf, after, limit: size + 1 });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ version }) => version);
      const entries = page.map((row) => ({
        ledgerSequence: row.sequence,
        version: row.version,
        side: row.amountMinor > 0n ? Side.DEBIT : Side.CREDIT,
        amountMinor: row.amountMinor > 0n ? row.amountMinor : -row.amountMinor,
        balanceMinor: balanceMinor(account.kind, row.debitsMinorAfter, row.creditsMinorAfter),
        effectiveTime: row.effectiveTime,
      }));
      return { entries, nextPageToken };
    },

    async listPaymentStates(
      { ledgerId, pageSize, pageToken, orderId, minLedgerSequence },
      context,
    ) {
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const filter = ["ListPaymentStates", ledgerId, orderId];
      const after = await paymentAt(id, readPageToken(filter, pageToken));
      const size = pageSizeOf(pageSize);
      const rows = await store.listPayments(pool, id, { after, limit: size + 1, orderId });
      const { page, nextPageToken } = cutPage(rows, size, filter, (row) => row.firstSequence);
      const paymentStates = page.map((payment) => paymentToWire(ledgerId, payment));
      return { paymentStates, nextPageToken };
    },
  };

  /** Ids of payments may be longer than a token; the fact that began the payment names it. */
  async function paymentAt(id: bigint, sequence: bigint | undefined): Promise<string> {
    if (sequence === undefined) return "";
    const row = await store.readPosted(pool, id, sequence);
    return (row && decodeTransaction(row.data).paymentState?.paymentId) ?? "";
  }
}
