// Tells one fact of the journal to the books that are made of nothing but facts.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import * as events from "#gen/bursar/ledger/v1/events_pb.ts";
import type { Hold } from "#gen/bursar/ledger/v1/hold_pb.ts";
import type { JournalRow } from "../journal.ts";
import {
  changeHold,
  microsOf,
  openAccount,
  post,
  type ReplayedBooks,
  updateAccount,
} from "./books.ts";
import { createExpected, type Expected } from "./expected.ts";
import type { Findings } from "./findings.ts";

export type Replay = {
  readonly books: ReplayedBooks;
  /** Never throws: what cannot be read is found. */
  apply(row: JournalRow): void;
  /** What the facts since the last call must have left behind. */
  take(): Expected;
};

export function createReplay(ledgerId: string, findings: Findings): Replay {
  const books: ReplayedBooks = {
    findings,
    accounts: new Map(),
    assets: new Map(),
    holds: new Map(),
    suspended: new Map(),
    displayName: "",
    closedMicros: null,
    expected: createExpected(),
  };
  return {
    books,
    apply(row) {
      const { sequence, subject } = row;
      try {
        const tell = tellers.get(subject);
        if (tell) tell(books, ledgerId, row);
        else
          findings.add("journal", sequence, `fact ${sequence} is a ${subject}, whatever that is`);
      } catch (error) {
        const problem = `fact ${sequence} is no ${subject}: ${(error as Error).message}`;
        findings.add("journal", sequence, problem);
      }
    },
    take() {
      const { expected } = books;
      books.expected = createExpected();
      return expected;
    },
  };
}

type Teller = (books: ReplayedBooks, ledgerId: string, row: JournalRow) => void;

/** What every event of the ledger has. */
type Named = { readonly ledgerId: string; readonly ledgerSequence: bigint };

function teller<D extends DescMessage>(
  schema: D,
  tell: (books: ReplayedBooks, sequence: bigint, event: MessageShape<D>) => void,
): [string, Teller] {
  const read: Teller = (books, ledgerId, { sequence, data }) => {
    const event = fromBinary(schema, data);
    checkName(books, { ledgerId, ledgerSequence: sequence }, event as unknown as Named);
    tell(books, sequence, event);
  };
  return [schema.typeName, read];
}

function checkName({ findings }: ReplayedBooks, expected: Named, named: Named | undefined): void {
  if (named === undefined) return;
  const { ledgerId, ledgerSequence } = expected;
  if (named.ledgerId === ledgerId && named.ledgerSequence === ledgerSequence) return;
  const problem = `fact ${ledgerSequence} says it is ${named.ledgerSequence} of ${named.ledgerId}`;
  findings.add("journal", ledgerSequence, problem);
}

function useKey({ expected }: ReplayedBooks, sequence: bigint, key: string, refused = false): void {
  expected.keys.push({ sequence, key, refused });
}

type Refused = { readonly idempotencyKey: string };

function tellRefused(books: ReplayedBooks, sequence: bigint, event: Refused): void {
  useKey(books, sequence, event.idempotencyKey, true);
}

type Held = {
  readonly hold?: Hold | undefined;
  readonly ledgerId: string;
  readonly idempotencyKey?: string;
};

function tellHeld(books: ReplayedBooks, sequence: bigint, event: Held): void {
  const { hold, ledgerId, idempotencyKey } = event;
  if (idempotencyKey !== undefined) useKey(books, sequence, idempotencyKey);
  checkName(books, { ledgerId, ledgerSequence: sequence }, hold);
  if (hold) changeHold(books, sequence, hold);
}

const tellers = new Map<string, Teller>([
  teller(events.LedgerCreatedSchema, (books, _, { displayName }) => {
    books.displayName = displayName;
  }),
  teller(events.AssetRegisteredSchema, ({ assets }, registeredSequence, { asset }) => {
    if (!asset) return;
    assets.set(asset.assetCode, { scale: asset.scale, registeredSequence, postedMinor: 0n });
  }),
  teller(events.AccountOpenedSchema, openAccount),
  teller(events.AccountUpdatedSchema, (books, sequence, event) => {
    useKey(books, sequence, event.idempotencyKey);
    updateAccount(books, sequence, event);
  }),
  teller(events.TransactionPostedSchema, (books, sequence, { ledgerId, transaction }) => {
    const name = { ledgerId, ledgerSequence: sequence };
    checkName(books, name, transaction);
    checkName(books, name, transaction?.paymentState);
    if (transaction) post(books, sequence, transaction);
  }),
  teller(events.TransactionRefusedSchema, tellRefused),
  teller(events.RequestRefusedSchema, tellRefused),
  teller(events.HoldCreatedSchema, tellHeld),
  teller(events.HoldIncreasedSchema, tellHeld),
  teller(events.HoldVoidedSchema, tellHeld),
  teller(events.HoldExpiredSchema, tellHeld),
  teller(events.PeriodClosedSchema, (books, closedSequence, { period, idempotencyKey }) => {
    useKey(books, closedSequence, idempotencyKey);
    if (!period) return;
    const { description } = period;
    const endMicros = microsOf(period.endTime);
    const closeMicros = microsOf(period.closeTime);
    books.closedMicros = endMicros;
    books.expected.periods.push({ closedSequence, endMicros, closeMicros, description });
  }),
]);
