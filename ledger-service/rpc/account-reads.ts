// RPCs that read accounts: one with its balance, or pages of them by every filter.

import type { ServiceImpl } from "@connectrpc/connect";
import type {
  LedgerService,
  ListAccountsRequest,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { type AccountFilter, listAccounts, readNotedAccount } from "../store/accounts.ts";
import { accountToWire, balanceToWire, kindFromWire, statusFromWire } from "../wire.ts";
import { codePrefixOf } from "./code-prefix.ts";
import { accountKeyOf, notesOf } from "./commands-of.ts";
import { findLedger } from "./min-sequence.ts";
import { cutPage, pageSizeOf, readPageToken } from "./page-token.ts";
import { notFound } from "./refusal-error.ts";

type AccountReads = Pick<ServiceImpl<typeof LedgerService>, "getAccount" | "listAccounts">;

export function accountReads(pool: Pool): AccountReads {
  return {
    async getAccount({ ledgerId, account: wireKey, minLedgerSequence }, context) {
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const key = accountKeyOf(wireKey);
      const account = await readNotedAccount(pool, id, key);
      if (account) {
        return { account: accountToWire(ledgerId, account), balance: balanceToWire(account) };
      }
      const { assetCode } = key;
      throw notFound({ refusal: Refusal.ACCOUNT_NOT_FOUND, account: key, assetCode });
    },

    async listAccounts(request, context) {
      const { ledgerId, pageToken, minLedgerSequence } = request;
      const { id } = await findLedger(pool, context, ledgerId, minLedgerSequence);
      const filter = filterOf(request);
      const bound = ["ListAccounts", ledgerId, ...textsOf(filter)];
      const after = readPageToken(bound, pageToken) ?? 0n;
      const size = pageSizeOf(request.pageSize);
      const rows = await listAccounts(pool, id, { after, limit: size + 1, filter });
      const { page, nextPageToken } = cutPage(rows, size, bound, ({ accountId }) => accountId);
      return { accounts: page.map((account) => accountToWire(ledgerId, account)), nextPageToken };
    },
  };
}

function filterOf(request: ListAccountsRequest): AccountFilter {
  const { status, kind, assetCode, metadata } = request;
  return {
    codePrefix: codePrefixOf(request),
    status: status === 0 ? undefined : statusFromWire(status),
    kind: kind === 0 ? undefined : kindFromWire(kind),
    assetCode,
    metadata: notesOf(metadata),
  };
}

/** What a page token is bound to; what is not asked for leaves no trace in it. */
function textsOf({ codePrefix, status, kind, assetCode, metadata }: AccountFilter): string[] {
  return [
    codePrefix,
    ...(status ? [`status ${status}`] : []),
    ...(kind ? [`kind ${kind}`] : []),
    ...(assetCode ? [`asset ${assetCode}`] : []),
    ...metadata.map(({ key, value }) => `note ${key} ${value}`),
  ];
}
