// Reads of the past, at a sequence that was seen: whatever is written meanwhile, and whatever is
// backdated later, their answers are these for ever.

import { create } from "@bufbuild/protobuf";
import * as wire from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  AccountEntrySchema,
  AggregateBalanceSchema,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { TransactionSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { type Account, accountAt, type Entry, growsByDebits, type Ledger } from "./books.ts";
import { textOfValue } from "./disagreement.ts";
import { wholeMicros } from "./holds.ts";
import { different, differentLists, never, type Read, seen } from "./judge.ts";
import { type AsOf, type Key, nameOf } from "./operations.ts";
import { aggregate, balanceAsOf, entriesAsOf, trialBalance } from "./past.ts";
import * as say from "./wire.ts";

export function readPastBalance(ledgerId: string, key: Key, asOf: AsOf): Read {
  return {
    what: `balance of ${nameOf(key)} as of ${textOfValue(asOf)}`,
    pinned: true,
    send: ({ ledger }) =>
      seen(
        ledger.getBalance({ ledgerId, account: say.keyToWire(key), asOf: asOfToWire(asOf) }),
        (model) => missing(model, key),
        ({ balance }, model) => {
          const expected = say.balanceMessage(balanceAsOf(accountAt(model, key)!, asOf));
          return different(wire.BalanceSchema, expected, balance);
        },
      ),
  };
}

function missing(model: Ledger, account: Key) {
  if (accountAt(model, account)) return undefined;
  return { refused: "account-not-found", account } as const;
}

/** The first pages. */
export function readPastEntries(ledgerId: string, key: Key, asOf: AsOf): Read {
  const pageSize = 40;
  const pagesMax = 3;
  return {
    what: `entries of ${nameOf(key)} as of ${textOfValue(asOf)}`,
    pinned: true,
    async send({ ledger }) {
      const request = { ledgerId, account: say.keyToWire(key), asOf: asOfToWire(asOf), pageSize };
      const pages = await Array.fromAsync(
        pagesOf(pagesMax, (pageToken) => {
          return ledger.listEntries({ ...request, pageToken });
        }),
      );
      const entries = pages.flatMap((page) => page.entries);
      return {
        judge: (model) => {
          const account = accountAt(model, key)!;
          const known = entriesAsOf(account, asOf).slice(0, pageSize * pagesMax);
          const balances = balancesAfter(account);
          const expected = known.map((entry) => {
            return entryMessage(entry, balances[Number(entry.version) - 1] ?? 0n);
          });
          return differentLists(AccountEntrySchema, expected, entries);
        },
      };
    },
  };
}

async function* pagesOf<T extends { readonly nextPageToken: string }>(
  pagesMax: number,
  read: (pageToken: string) => Promise<T>,
) {
  let pageToken = "";
  for (let pages = 0; pages < pagesMax; pages++) {
    const page = await read(pageToken);
    yield page;
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
  }
}

/** Of every entry in turn. */
function balancesAfter(account: Account): bigint[] {
  let balance = 0n;
  return account.entries.map((entry) => {
    balance += changeOf(account, entry);
    return balance;
  });
}

function entryMessage({ sequence, version, side, amount, effective }: Entry, balance: bigint) {
  return create(AccountEntrySchema, {
    ledgerSequence: sequence,
    version,
    side: side === "debit" ? wire.Side.DEBIT : wire.Side.CREDIT,
    amountMinor: amount,
    balanceMinor: balance,
    effectiveTime: say.timeToWire(wholeMicros(effective)),
  });
}

export type Aggregating = {
  readonly prefix: string;
  readonly depth: number;
  readonly asset: string;
  readonly asOf: AsOf;
};

export function readAggregate(ledgerId: string, of: Aggregating): Read {
  const { prefix: codePrefix, depth, asset: assetCode } = of;
  return {
    what: `aggregate ${textOfValue(of)}`,
    pinned: true,
    send: ({ ledger }) => {
      const asOf = asOfToWire(of.asOf);
      const call = ledger.aggregateBalances({ ledgerId, codePrefix, depth, assetCode, asOf });
      return seen(call, never, ({ balances }, model) => {
        const expected = aggregate(model, of).map((sum) => {
          return create(AggregateBalanceSchema, {
            codePrefix: sum.prefix,
            assetCode: sum.asset,
            accounts: sum.accounts,
            debitsMinor: sum.debits,
            creditsMinor: sum.credits,
            ...(sum.balance !== undefined && { balanceMinor: sum.balance }),
          });
        });
        return differentLists(AggregateBalanceSchema, expected, balances);
      });
    },
  };
}

export function readPastTrial(ledgerId: string, asOf: AsOf): Read {
  return {
    what: `trial balance as of ${textOfValue(asOf)}`,
    pinned: true,
    send: ({ ledger }) => {
      const call = ledger.getTrialBalance({ ledgerId, asOf: asOfToWire(asOf) });
      return seen(call, never, ({ balances }, model) => {
        const expected = trialBalance(model, asOf).map(say.balanceMessage);
        return differentLists(wire.BalanceSchema, expected, balances);
      });
    },
  };
}

/** Walks a balance back to its transactions, newest first. */
export function readExplained(ledgerId: string, key: Key, asOf: AsOf): Read {
  const pageSize = 15;
  return {
    what: `explanation of ${nameOf(key)} as of ${textOfValue(asOf)}`,
    pinned: true,
    send: ({ audit }) => {
      const request = { ledgerId, account: say.keyToWire(key), asOf: asOfToWire(asOf), pageSize };
      return seen(audit.explainBalance(request), never, (answer, model) => {
        const account = accountAt(model, key)!;
        const steps = entriesAsOf(account, asOf).reverse().slice(0, pageSize);
        const expected = say.balanceMessage(balanceAsOf(account, asOf));
        const changes = steps.map((entry) => changeOf(account, entry));
        const sum = changes.reduce((total, change) => total + change, 0n);
        return (
          different(wire.BalanceSchema, expected, answer.balance) ??
          differentLists(
            TransactionSchema,
            steps.map(({ sequence }) => {
              return say.transactionMessage(ledgerId, model.transactions.get(sequence)!);
            }),
            answer.steps.flatMap(({ transaction }) => (transaction ? [transaction] : [])),
          ) ??
          unequal(
            [answer.balanceAfterMinor, answer.balanceBeforeMinor],
            [expected.balanceMinor, expected.balanceMinor - sum],
          ) ??
          unequal(
            answer.steps.flatMap(({ version, changeMinor }) => [version, changeMinor]),
            steps.flatMap(({ version }, place) => [version, changes[place]!]),
          )
        );
      });
    },
  };
}

function changeOf({ kind }: Account, { side, amount }: Entry): bigint {
  return growsByDebits(kind) === (side === "debit") ? amount : -amount;
}

function unequal(service: readonly bigint[], model: readonly bigint[]): string | undefined {
  return `${service}` === `${model}` ? undefined : `${model}, answered ${service}`;
}

function asOfToWire({ effective, sequence }: AsOf) {
  const effectiveTime = effective === undefined ? {} : { effectiveTime: say.timeToWire(effective) };
  return { ledgerSequence: sequence, ...effectiveTime };
}
