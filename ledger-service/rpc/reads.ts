// RPCs that read. None of them locks, and each answers from one moment.

import assert from "node:assert/strict";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { callerOf, requireLedger } from "#mesh/rpc/caller.ts";
import { decodeTransaction } from "../journal.ts";
import { balanceMinor } from "../rules/limits.ts";
import * as store from "../store/read.ts";
import { balanceToWire, kindToWire, paymentToWire } from "../wire.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { notFound } from "./refusal-error.ts";

type Reads = Pick<
  ServiceImpl<typeof LedgerService>,
  | "getLedger"
  | "listLedgers"
  | "listAssets"
  | "listAccounts"
  | "getTransaction"
  | "listTransactions"
  | "getBalance"
  | "listEntries"
  | "getTrialBalance"
  | "listPaymentStates"
>;

export function reads(pool: Pool): Reads {
  async function find(context: HandlerContext, ledgerId: string): Promise<store.LedgerRow> {
    requireLedger(context, ledgerId);
    const ledger = await store.readLedger(pool, ledgerId);
    if (!ledger) throw notFound({ refusal: Refusal.LEDGER_NOT_FOUND });
    return ledger;
  }

  async function findAccount(
    id: bigint,
    key: { accountCode: string; assetCode: string } | undefined,
  ) {
    assert(key, "validation requires the account");
    const { accountCode, assetCode } = key;
    const account = await store.readAccount(pool, id, key);
    if (account) return account;
    const named = { account: { accountCode, assetCode }, assetCode };
    throw notFound({ refusal: Refusal.ACCOUNT_NOT_FOUND, ...named });
  }

  return {
    async getLedger({ ledgerId }, context) {
      return { ledger: await find(context, ledgerId) };
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
      const { id } = await find(context, ledgerId);
      return { assets: await store.listAssets(pool, id) };
    },

    async listAccounts({ ledgerId, pageSize, pageToken, codePrefix }, context) {
      const { id } = await find(context, ledgerId);
      const filter = ["ListAccounts", ledgerId, codePrefix];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const rows = await store.listAccounts(pool, id, { after, limit: size + 1, codePrefix });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ accountId }) => accountId);
      const accounts = page.map(({ accountCode, assetCode, kind, openedSequence, openTime }) => {
        const wireKind = kindToWire(kind);
        return { ledgerId, accountCode, assetCode, kind: wireKind, openedSequence, openTime };
      });
      return { accounts, nextPageToken };
    },

    async getTransaction({ ledgerId, name }, context) {
      const { id } = await find(context, ledgerId);
      assert(name.case, "validation requires a name");
      const row =
        name.case === "ledgerSequence"
          ? await store.readPosted(pool, id, name.value)
          : await store.readPostedByKey(pool, id, name.value);
      if (row) return { transaction: decodeTransaction(row.data) };
      throw notFound({ refusal: Refusal.TRANSACTION_NOT_FOUND, [name.case]: name.value });
    },

    async listTransactions({ ledgerId, pageSize, pageToken, paymentId }, context) {
      const { id } = await find(context, ledgerId);
      const filter = ["ListTransactions", ledgerId, paymentId];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const rows = await store.listPosted(pool, id, { after, limit: size + 1, paymentId });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ sequence }) => sequence);
      return { transactions: page.map(({ data }) => decodeTransaction(data)), nextPageToken };
    },

    async getBalance({ ledgerId, account }, context) {
      const { id } = await find(context, ledgerId);
      return { balance: balanceToWire(await findAccount(id, account)) };
    },

    async listEntries({ ledgerId, account: key, pageSize, pageToken }, context) {
      const { id } = await find(context, ledgerId);
      const account = await findAccount(id, key);
      const filter = ["ListEntries", ledgerId, account.accountCode, account.assetCode];
      const after = readPageToken(filter, pageToken) ?? 0n;
      const size = pageSizeOf(pageSize);
      const { accountId, kind } = account;
      const rows = await store.listEntries(pool, { accountId, after, limit: size + 1 });
      const { page, nextPageToken } = cutPage(rows, size, filter, ({ version }) => version);
      const entries = page.map((row) => ({
        ledgerSequence: row.sequence,
        version: row.version,
        side: row.amountMinor > 0n ? Side.DEBIT : Side.CREDIT,
        amountMinor: row.amountMinor > 0n ? row.amountMinor : -row.amountMinor,
        balanceMinor: balanceMinor(kind, row.debitsMinorAfter, row.creditsMinorAfter),
        effectiveTime: row.effectiveTime,
      }));
      return { entries, nextPageToken };
    },

    async getTrialBalance({ ledgerId }, context) {
      requireLedger(context, ledgerId);
      const trial = await store.readTrialBalance(pool, ledgerId);
      if (!trial) throw notFound({ refusal: Refusal.LEDGER_NOT_FOUND });
      const { accounts, sequence } = trial;
      return {
        balances: accounts.map(balanceToWire),
        totals: totalsOf(accounts),
        ledgerSequence: sequence,
      };
    },

    async listPaymentStates({ ledgerId, pageSize, pageToken, orderId }, context) {
      const { id } = await find(context, ledgerId);
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

/** Debits equal credits in each; the ledger keeps both within int64. */
function totalsOf(accounts: readonly store.AccountRow[]) {
  const totals = new Map<
    string,
    { assetCode: string; debitsMinor: bigint; creditsMinor: bigint }
  >();
  for (const { assetCode, debitsMinor, creditsMinor } of accounts) {
    const total = totals.get(assetCode) ?? { assetCode, debitsMinor: 0n, creditsMinor: 0n };
    total.debitsMinor += debitsMinor;
    total.creditsMinor += creditsMinor;
    totals.set(assetCode, total);
  }
  return [...totals.values()].sort((a, b) => (a.assetCode < b.assetCode ? -1 : 1));
}
