// What the recipes share: the clients of one ledger, and entries in short.

import { enumToJson, type MessageInitShape } from "@bufbuild/protobuf";
import { type Client, ConnectError } from "@connectrpc/connect";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import type { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import {
  type EntrySchema,
  RefusalDetailSchema,
  RefusalSchema,
} from "#gen/bursar/ledger/v1/transaction_pb.ts";

export type Books = {
  readonly ledger: Client<typeof LedgerService>;
  readonly holds: Client<typeof HoldService>;
  /** A ledger with USD and EUR registered. */
  readonly ledgerId: string;
};

export const usd = (accountCode: string) => ({ accountCode, assetCode: "USD" });
export const eur = (accountCode: string) => ({ accountCode, assetCode: "EUR" });

type Key = ReturnType<typeof usd>;

export type Entry = MessageInitShape<typeof EntrySchema>;

export function debit(account: Key, amountMinor: bigint): Entry {
  return { account, side: Side.DEBIT, amountMinor };
}

export function credit(account: Key, amountMinor: bigint): Entry {
  return { account, side: Side.CREDIT, amountMinor };
}

/** The ledger's reason for saying no; undefined when it said yes. */
export async function refusalOf(call: Promise<unknown>): Promise<string | undefined> {
  const error = await call.then(() => undefined, ConnectError.from);
  const [detail] = error?.findDetails(RefusalDetailSchema) ?? [];
  if (error && !detail) throw error;
  return detail && String(enumToJson(RefusalSchema, detail.refusal)).replace("REFUSAL_", "");
}
