// What prepares books in the model, and what becomes of accounts.

import {
  type Account,
  accountAt,
  availableOf,
  balanceOf,
  highestOf,
  type Ledger,
} from "./books.ts";
import type { CreateAccount, Key, Kind, Limits, UpdateAccount } from "./operations.ts";
import { nameOf, sorted } from "./operations.ts";
import { type Moment, refuseDuplicate } from "./post.ts";
import type { Refusal } from "./refusals.ts";

/** Of the chart of accounts that providers' facts are posted to; docs/chart-of-accounts.md. */
const chart: readonly (readonly [RegExp, Kind])[] = [
  [/^assets:bank$|^assets:[^:]+:(clearing|disputed)$/, "asset"],
  [/^expenses:disputes$|^expenses:fees:[^:]+$/, "expense"],
  [/^income:(sales|refunds)$/, "income"],
  [/^liabilities:(tax|suspense)$/, "liability"],
];

/** Currencies that are used here, by ISO 4217. */
const scales: Readonly<Record<string, number>> = { USD: 2, EUR: 2, JPY: 0, CHF: 2 };

export function kindInChart(code: string): Kind | undefined {
  return chart.find(([pattern]) => pattern.test(code))?.[1];
}

export function refuseAsset(ledger: Ledger, asset: string, scale: number): Refusal | undefined {
  const known = ledger.assets.get(asset);
  if (!known) {
    const right = scales[asset] ?? scale;
    return right === scale ? undefined : { refused: "asset-scale", asset };
  }
  if (known.scale === scale) return undefined;
  return { refused: "asset-exists", asset, sequence: known.sequence };
}

/** Undefined: it may be opened, or it is open as it is asked for. */
export function refuseAccount(ledger: Ledger, asked: CreateAccount): Refusal | undefined {
  const { account, accountKind, limits, notes } = asked;
  if (!ledger.assets.has(account.asset))
    return { refused: "asset-not-found", asset: account.asset };
  const known = accountAt(ledger, account);
  if (known) {
    if (known.kind === accountKind) return undefined;
    return { refused: "account-exists", account, sequence: known.openedSequence };
  }
  const kind = kindInChart(account.code) ?? accountKind;
  if (kind !== accountKind) return { refused: "account-kind", account };
  return refuseDuplicate(notes) ?? refuseSetting(account, limits, { available: 0n, highest: 0n });
}

export function open(
  ledger: Ledger,
  { account: { code, asset }, accountKind, limits, notes }: CreateAccount,
  { sequence, recorded }: Moment,
): Account {
  const account: Account = {
    code,
    asset,
    kind: accountKind,
    openedSequence: sequence,
    openTime: recorded,
    entries: [],
    debits: 0n,
    credits: 0n,
    debitsPending: 0n,
    creditsPending: 0n,
    sequence,
    status: "open",
    limits,
    notes: sorted(notes),
    changedSequence: sequence,
  };
  ledger.accounts.set(nameOf(account), account);
  return account;
}

export function refuseUpdate(ledger: Ledger, asked: UpdateAccount): Refusal | undefined {
  const { account: key, change, expected } = asked;
  const account = accountAt(ledger, key);
  if (!account) return { refused: "account-not-found", account: key };
  const { status, changedSequence } = account;
  if (expected !== 0n && expected !== changedSequence) {
    return { refused: "account-changed", account: key, sequence: changedSequence };
  }
  if (status === "closed") return { refused: "account-closed", account: key };
  if (key.code === "liabilities:suspense" && change.what !== "notes") {
    return { refused: "account-reserved", account: key };
  }
  switch (change.what) {
    case "notes":
      return refuseDuplicate(change.notes);
    case "limits": {
      const now = { available: availableOf(account), highest: highestOf(account) };
      return refuseSetting(key, change.limits, now);
    }
    case "freeze":
      return status === "frozen" ? { refused: "account-frozen", account: key } : undefined;
    case "unfreeze":
      return status === "open" ? { refused: "account-not-frozen", account: key } : undefined;
    case "close": {
      const actual = balanceOf(account);
      const empty = actual === 0n && account.debitsPending === 0n && account.creditsPending === 0n;
      return empty ? undefined : { refused: "account-not-empty", account: key, actual };
    }
  }
}

export function update(
  ledger: Ledger,
  { account: key, change }: UpdateAccount,
  at: Moment,
): Account {
  const account = accountAt(ledger, key)!;
  if (change.what === "notes") account.notes = sorted(change.notes);
  else if (change.what === "limits") account.limits = change.limits;
  else
    account.status = ({ freeze: "frozen", unfreeze: "open", close: "closed" } as const)[
      change.what
    ];
  account.changedSequence = at.sequence;
  return account;
}

/** Limits that are broken already are not set. */
function refuseSetting(
  account: Key,
  { floor, ceiling }: Limits,
  now: { available: bigint; highest: bigint },
): Refusal | undefined {
  if (floor !== undefined && now.available < floor) {
    return { refused: "limits-violated", account, limit: floor, actual: now.available };
  }
  if (ceiling !== undefined && now.highest > ceiling) {
    return { refused: "limits-violated", account, limit: ceiling, actual: now.highest };
  }
  return undefined;
}
