// The call that both sides of the comparison make: a transaction of four legs,
// with the request and the answer that the ledger would see.

import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  type LedgerService,
  PostTransactionRequestSchema,
  PostTransactionResponseSchema,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";

const entry = (accountCode: string, side: Side, amountMinor: bigint) => ({
  account: { accountCode, assetCode: "USD" },
  side,
  amountMinor,
});

const entries = [
  entry("assets:stripe:balance", Side.DEBIT, 4_728n),
  entry("expenses:stripe:fees", Side.DEBIT, 172n),
  entry("liabilities:tax", Side.CREDIT, 400n),
  entry("income:courses", Side.CREDIT, 4_500n),
];
const posting = {
  ledgerId: "bench",
  idempotencyKey: "payment/stripe/acct_1/pi_3P4x8Z2eZvKYlo2C1a2b3c4d/succeeded",
  entries,
  description: "course sold",
};

export const request = create(PostTransactionRequestSchema, posting);

const balances = entries.map(({ account }) => ({ account, debitsMinor: 10n, creditsMinor: 10n }));
const response = create(PostTransactionResponseSchema, {
  transaction: {
    ...posting,
    ledgerSequence: 123_456n,
    effectiveTime: timestampFromMs(1_790_000_000_000),
    recordedTime: timestampFromMs(1_790_000_000_500),
  },
  balances,
});

export const ledger: Partial<ServiceImpl<typeof LedgerService>> = {
  postTransaction: () => response,
};
