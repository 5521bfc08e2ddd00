// Holds for tests: a wallet that cannot be overdrawn, a shop, and what can be asked of both.

import { setTimeout as sleep } from "node:timers/promises";
import { AccountKind } from "#gen/bursar/ledger/v1/account_pb.ts";
import { type School, saleRequest, schoolId } from "./school.ts";

type Key = { accountCode: string; assetCode: string };

let count = 0;

export function newKey(): string {
  count += 1;
  return `hold-${count}`;
}

export function accountKey(accountCode: string, assetCode = "USD"): Key {
  return { accountCode, assetCode };
}

/** With money in the wallet. */
export async function openWallet({ client }: School, amountMinor: bigint) {
  const ledgerId = schoolId;
  const wallet = accountKey(`liabilities:wallet-${newKey()}`);
  const shop = accountKey(`liabilities:shop-${newKey()}`);
  const kind = AccountKind.LIABILITY;
  await client.createAccount({ ledgerId, account: wallet, kind, limits: { floorMinor: 0n } });
  await client.createAccount({ ledgerId, account: shop, kind });
  const sides = { debit: "assets:cash", credit: wallet.accountCode };
  await client.postTransaction(saleRequest(newKey(), amountMinor, sides));
  const hold = <T extends object>(fields: T) => {
    const accounts = { debitAccount: wallet, creditAccount: shop };
    return { ledgerId, idempotencyKey: newKey(), ...accounts, ...fields };
  };
  const payment = (amountMinor: bigint) => {
    const accounts = { debit: wallet.accountCode, credit: shop.accountCode };
    return saleRequest(newKey(), amountMinor, accounts);
  };
  return { wallet, shop, hold, payment };
}

/** A life so short that a test can wait for its end. */
export const shortly = {
  case: "timeToLive",
  value: { seconds: 0n, nanos: 300_000_000 },
} as const;

export async function availableOf({ client }: School, account: Key): Promise<bigint> {
  const { balance } = await client.getBalance({ ledgerId: schoolId, account });
  return balance?.availableMinor ?? 0n;
}

export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(20);
  }
}
