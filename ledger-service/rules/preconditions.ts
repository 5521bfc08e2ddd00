// What a caller wants to be true of accounts right before a transaction: it guards a decision that
// was made on what was read earlier.

import { accountName } from "./books.ts";
import { availableMinor, balanceMinor } from "./limits.ts";
import type { Account, AccountKey } from "./records.ts";
import type { Refusal } from "./refusals.ts";

/** Every bound that is given must hold. */
export type AmountRange = {
  readonly gteMinor: bigint | undefined;
  readonly lteMinor: bigint | undefined;
  readonly eqMinor: bigint | undefined;
};

export type Precondition = {
  readonly account: AccountKey;
  readonly balance: AmountRange | undefined;
  readonly available: AmountRange | undefined;
  /** Undefined: whatever it is. */
  readonly version: bigint | undefined;
};

type Accounts = ReadonlyMap<string, Readonly<Account>>;

/** The first one, in the order given, whose account does not exist. */
export function findUnknownAccount(
  accounts: Accounts,
  preconditions: readonly Precondition[],
): Refusal | undefined {
  for (const { account } of preconditions) {
    if (!accounts.has(accountName(account))) return { reason: "account-not-found", account };
  }
  return undefined;
}

/** The first one, in the order given, that does not hold. */
export function findFailedPrecondition(
  accounts: Accounts,
  preconditions: readonly Precondition[],
): Refusal | undefined {
  for (const [index, precondition] of preconditions.entries()) {
    const account = accounts.get(accountName(precondition.account));
    const actualMinor = account && findActual(account, precondition);
    if (actualMinor === undefined) continue;
    return { reason: "precondition-failed", index, account: precondition.account, actualMinor };
  }
  return undefined;
}

/** What stands against it: the balance, what of it is available, or the version. */
function findActual(account: Readonly<Account>, precondition: Precondition): bigint | undefined {
  const balance = balanceMinor(account.kind, account.debitsMinor, account.creditsMinor);
  if (!isWithin(balance, precondition.balance)) return balance;
  const available = availableMinor(account);
  if (!isWithin(available, precondition.available)) return available;
  const { version = account.version } = precondition;
  return version === account.version ? undefined : account.version;
}

function isWithin(amountMinor: bigint, range: AmountRange | undefined): boolean {
  const { gteMinor = amountMinor, lteMinor = amountMinor, eqMinor = amountMinor } = range ?? {};
  return gteMinor <= amountMinor && amountMinor <= lteMinor && amountMinor === eqMinor;
}
