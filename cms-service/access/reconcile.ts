// Compares a stretch of a ledger's payments with what stands here. What a settlement of the
// ledger's totals would change is what is wrong; to repair it is to settle them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  GrantDifferenceKind,
  type ReconcileGrantsRequest,
  type ReconcileGrantsResponseSchema,
} from "#gen/bursar/cms/v1/grant_service_pb.ts";
import type { PaymentState } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { lockKeys } from "#mesh/events/parking.ts";
import { orderKey, paymentOf } from "../consumer.ts";
import type { LedgerReads } from "./ledger-reads.ts";
import type { Payment } from "./payment.ts";
import { nextPosition, readPosition } from "./reconcile-position.ts";
import { type KnownPayment, readKnownPayments, readTimedOrders } from "./reconcile-store.ts";
import {
  type Difference,
  type DifferenceKind,
  differenceOf,
  repairable,
} from "./reconciliation.ts";
import { readStanding, writeSettlement } from "./settle-payments.ts";
import { settle } from "./settlement.ts";

const sizeDefault = 100;
const sizeMax = 500;
/** Questions to the ledger at once. */
const questionsMax = 8;

export async function reconcile(
  pool: Pool,
  ledger: LedgerReads,
  request: ReconcileGrantsRequest,
): Promise<MessageInitShape<typeof ReconcileGrantsResponseSchema>> {
  const { ledgerId, repair } = request;
  const stretch = await readStretch(pool, ledger, request);
  const found = [...(await findStrangers(ledger, ledgerId, stretch))];
  const { totals, unknown } = await readTotals(pool, ledger, stretch);
  found.push(...unknown, ...(await compare(pool, totals, repair)));
  return {
    differences: found.toSorted(byPayment).map(({ kind, ...difference }) => ({
      ...difference,
      kind: kindsToWire[kind],
      repaired: repair && repairable.has(kind),
    })),
    comparedCount: new Set([...stretch.states, ...stretch.known].map((it) => it.paymentId)).size,
    nextPosition: stretch.nextPosition,
  };
}

type Stretch = {
  readonly states: readonly PaymentState[];
  readonly known: readonly KnownPayment[];
  readonly nextPosition: string;
};

/** The ledger's payments and ours between the same two names. */
async function readStretch(
  pool: Pool,
  ledger: LedgerReads,
  request: ReconcileGrantsRequest,
): Promise<Stretch> {
  const { ledgerId } = request;
  const size = Math.min(request.pageSize || sizeDefault, sizeMax);
  const position = readPosition(request.position, ledgerId);
  const { pageToken, after } = position;
  const page = await ledger.listPayments(ledgerId, { pageSize: size, pageToken });
  const isLast = page.nextPageToken === "";
  const upTo = isLast ? undefined : page.states.at(-1)?.paymentId;
  const known = await readKnownPayments(pool, ledgerId, { after, upTo, limit: size + 1 });
  const states = page.states.filter(({ paymentId }) => isAfter(paymentId, after));
  if (known.length <= size) {
    const next = isLast ? undefined : { pageToken: page.nextPageToken, after: upTo ?? after };
    return { states, known, nextPosition: nextPosition(ledgerId, next) };
  }
  // More of ours than of the ledger's: the rest of them is for the next stretch.
  const kept = known.slice(0, size);
  const last = kept.at(-1)?.paymentId ?? after;
  return {
    states: states.filter(({ paymentId }) => !isAfter(paymentId, last)),
    known: kept,
    nextPosition: nextPosition(ledgerId, { pageToken, after: last }),
  };
}

/** As both databases sort: byte by byte. */
function isAfter(paymentId: string, other: string): boolean {
  return Buffer.compare(Buffer.from(paymentId), Buffer.from(other)) > 0;
}

/** Ours that the ledger has not; one that came after its page was read is none. */
async function findStrangers(
  ledger: LedgerReads,
  ledgerId: string,
  { states, known }: Stretch,
): Promise<Difference[]> {
  const named = new Set(states.map(({ paymentId }) => paymentId));
  const missing = known.filter(({ paymentId }) => !named.has(paymentId));
  const found = await each(missing, async ({ paymentId, orderId, ledgerSequence }) => {
    if (await ledger.readPaidTime(ledgerId, paymentId)) return undefined;
    const detail = "the ledger has no payment of this id";
    const about = { paymentId, orderId, knownSequence: ledgerSequence, ledgerSequence: 0n };
    return { ...about, kind: "unknown-to-ledger", detail } as const;
  });
  return found.filter((difference) => difference !== undefined);
}

/** The ledger's totals of payments whose orders are here, with the time that access counts from. */
async function readTotals(pool: Pool, ledger: LedgerReads, { states, known }: Stretch) {
  const ours = new Map(known.map((payment) => [payment.paymentId, payment]));
  const ordered = states.filter(({ orderId }) => orderId !== "");
  const orders = await readTimedOrders(pool, [...new Set(ordered.map(({ orderId }) => orderId))]);
  const unknown = ordered
    .filter(({ orderId }) => !orders.has(orderId))
    .map(({ paymentId, orderId, ledgerSequence }): Difference => {
      const about = { paymentId, orderId, ledgerSequence, knownSequence: 0n };
      return { ...about, kind: "order-unknown", detail: `there is no order ${orderId}` };
    });
  const here = ordered.filter(({ orderId }) => orders.has(orderId));
  const totals = await each(here, async (state): Promise<Payment> => {
    const payment = ours.get(state.paymentId);
    const { ledgerId, paymentId, orderId } = state;
    const isOlder = payment !== undefined && payment.ledgerSequence < state.ledgerSequence;
    // Ours is newer where the fact came since the ledger's page was read.
    const isNewer = payment !== undefined && payment.ledgerSequence > state.ledgerSequence;
    const newest = isNewer ? await ledger.readPayment(ledgerId, orderId, paymentId) : state;
    const asks = payment === undefined || isOlder || orders.get(orderId) === true;
    const time = asks ? await ledger.readPaidTime(ledgerId, paymentId) : undefined;
    return paymentOf(newest ?? state, time ?? payment?.paidTime ?? new Date());
  });
  return { totals, unknown };
}

/** A few at a time, answers in the order of the items. */
async function each<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let n = 0; n < items.length; n += questionsMax) {
    answers.push(...(await Promise.all(items.slice(n, n + questionsMax).map(ask))));
  }
  return answers;
}

/** Ends an SQL transaction that was only to be looked at. */
class LookedAt extends Error {
  readonly differences: readonly Difference[];

  constructor(differences: readonly Difference[]) {
    super("rolled back on purpose");
    this.differences = differences;
  }
}

async function compare(
  pool: Pool,
  totals: readonly Payment[],
  repair: boolean,
): Promise<readonly Difference[]> {
  if (totals.length === 0) return [];
  try {
    return await inTransaction(pool, async (tx) => {
      const differences = await compareIn(tx, totals, repair);
      if (!repair) throw new LookedAt(differences);
      return differences;
    });
  } catch (error) {
    if (error instanceof LookedAt) return error.differences;
    throw error;
  }
}

async function compareIn(tx: Tx, totals: readonly Payment[], repair: boolean) {
  const now = new Date();
  // As the consumer does, so that the two wait for each other and never in a circle.
  await lockKeys(
    tx,
    totals.map(({ orderId }) => orderKey(orderId)),
  );
  const standing = await readStanding(tx, totals);
  const settlement = settle(standing, totals, now);
  if (repair) await writeSettlement(tx, settlement, now);
  return totals.flatMap((payment) => differenceOf(payment, standing, settlement, now) ?? []);
}

function byPayment(a: Difference, b: Difference): number {
  return isAfter(a.paymentId, b.paymentId) ? 1 : -1;
}

const kindsToWire = {
  missing: GrantDifferenceKind.MISSING,
  older: GrantDifferenceKind.OLDER,
  "unknown-to-ledger": GrantDifferenceKind.UNKNOWN_TO_LEDGER,
  totals: GrantDifferenceKind.TOTALS,
  "order-unknown": GrantDifferenceKind.ORDER_UNKNOWN,
  grants: GrantDifferenceKind.GRANTS,
  "paid-time": GrantDifferenceKind.PAID_TIME,
} as const satisfies Record<DifferenceKind, GrantDifferenceKind>;
