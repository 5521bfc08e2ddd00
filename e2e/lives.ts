// Lives of payments: the events a provider would send about one payment, and the
// state that the ledger and the CMS must end in, whatever the order and however
// often each event comes.

import {
  chargeRefunded,
  disputeEvent,
  newStripePayment,
  paymentIntentFailed,
  paymentIntentSucceeded,
  refundEvent,
  type StripeEvent,
  type StripePayment,
  stripeId,
} from "#dev/stripe-events.ts";
import type { Chance } from "./chance.ts";

export const priceMinor = 4_900;

export type Totals = {
  readonly paid: number;
  readonly refunded: number;
  readonly disputed: number;
  readonly lost: number;
};

export type Life = {
  readonly name: string;
  readonly learnerId: string;
  readonly orderId: string;
  readonly payment: StripePayment;
  readonly events: readonly StripeEvent[];
  /** Totals in the ledger; undefined when no money moved. */
  readonly totals: Totals | undefined;
  readonly access: boolean;
};

type Plot = (payment: StripePayment) => {
  readonly events: readonly StripeEvent[];
  readonly totals?: Partial<Totals>;
  readonly access: boolean;
  readonly amount?: number;
};

const paid = { paid: priceMinor, refunded: 0, disputed: 0, lost: 0 };
const created = "charge.dispute.created";
const closed = "charge.dispute.closed";

const plots: Readonly<Record<string, Plot>> = {
  paid: (payment) => ({ events: [paymentIntentSucceeded(payment)], access: true }),
  "paid after a failed attempt": (payment) => ({
    events: [paymentIntentFailed(payment), paymentIntentSucceeded(payment)],
    access: true,
  }),
  "refunded in part, reported twice": (payment) => {
    const refund = { refundId: stripeId("re"), amount: 1_000 };
    return {
      events: [
        paymentIntentSucceeded(payment),
        chargeRefunded(payment, 1_000),
        refundEvent("refund.created", payment, refund, "pending"),
        refundEvent("refund.updated", payment, refund, "succeeded"),
      ],
      totals: { refunded: 1_000 },
      access: true,
    };
  },
  "refunded whole in two steps": (payment) => {
    const first = { refundId: stripeId("re"), amount: 1_900 };
    const second = { refundId: stripeId("re"), amount: 3_000 };
    return {
      events: [
        paymentIntentSucceeded(payment),
        chargeRefunded(payment, 1_900),
        chargeRefunded(payment, priceMinor),
        refundEvent("refund.created", payment, first, "succeeded"),
        refundEvent("refund.created", payment, second, "succeeded"),
      ],
      totals: { refunded: priceMinor },
      access: false,
    };
  },
  "refunded, and the refund failed": (payment) => {
    const refund = { refundId: stripeId("re"), amount: priceMinor };
    return {
      events: [
        paymentIntentSucceeded(payment),
        chargeRefunded(payment, priceMinor),
        refundEvent("refund.created", payment, refund, "pending"),
        refundEvent("refund.failed", payment, refund, "failed"),
      ],
      access: true,
    };
  },
  "in dispute": (payment) => {
    const disputeId = stripeId("dp");
    return {
      events: [
        paymentIntentSucceeded(payment),
        disputeEvent(created, payment, disputeId, "needs_response"),
      ],
      totals: { disputed: priceMinor },
      access: false,
    };
  },
  "dispute won": (payment) => {
    const disputeId = stripeId("dp");
    return {
      events: [
        paymentIntentSucceeded(payment),
        disputeEvent(created, payment, disputeId, "needs_response"),
        disputeEvent(closed, payment, disputeId, "won"),
      ],
      access: true,
    };
  },
  "dispute lost": (payment) => {
    const disputeId = stripeId("dp");
    return {
      events: [
        paymentIntentSucceeded(payment),
        disputeEvent(created, payment, disputeId, "needs_response"),
        disputeEvent(closed, payment, disputeId, "lost"),
      ],
      totals: { lost: priceMinor },
      access: false,
    };
  },
  "never paid": (payment) => ({ events: [paymentIntentFailed(payment)], access: false }),
};

export function createLife(
  chance: Chance,
  of: { readonly learnerId: string; readonly orderId: string },
): Life {
  const name = chance.pick(Object.keys(plots));
  const payment = newStripePayment({ amount: priceMinor, currency: "usd", orderId: of.orderId });
  const { events, totals, access } = plots[name]!(payment);
  return {
    ...of,
    name,
    payment,
    events,
    totals: name === "never paid" ? undefined : { ...paid, ...totals },
    access,
  };
}
