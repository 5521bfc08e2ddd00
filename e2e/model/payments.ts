// Providers' facts in the model. They have happened, so they are never refused for a rule of ours:
// what cannot be written where it belongs goes to suspense.

import { accountAt, type Ledger, type Suspended } from "./books.ts";
import type { Leg, Payment } from "./operations.ts";
import { ahead, type Draft, refuseBroken } from "./post.ts";
import type { Reason } from "./refusals.ts";
import { suspenseCode } from "./suspense.ts";

export function keyOfPayment({ paymentId }: Payment): string {
  return `payment/${paymentId}/succeeded`;
}

export function draftOfPayment(
  ledger: Ledger,
  payment: Payment,
  at: { sequence: bigint; recorded: bigint },
): Draft {
  const { closed } = ledger;
  const tooLate = payment.occurred > at.recorded + ahead;
  const inClosed = !tooLate && closed !== undefined && payment.occurred < closed;
  const effective = tooLate ? at.recorded : inClosed ? closed : payment.occurred;

  const legs = legsOf(payment);
  const reasons = legs.map(({ account: key }): Reason | undefined => {
    const { status, kind } = accountAt(ledger, key)!;
    if (status === "frozen") return "account-frozen";
    if (status === "closed") return "account-closed";
    return inClosed && (kind === "income" || kind === "expense") ? "period-closed" : undefined;
  });
  for (const [place, { account: key, side, amount }] of legs.entries()) {
    if (reasons[place]) continue;
    const account = accountAt(ledger, key)!;
    const after = { ...account };
    if (side === "debit") after.debits += amount;
    else after.credits += amount;
    reasons[place] = refuseBroken(after)?.refused;
  }

  const asset = payment.asset;
  const suspended = reasons.flatMap((reason, index): Suspended[] => {
    return reason ? [{ index, account: legs[index]!.account, reason, released: undefined }] : [];
  });
  return {
    key: keyOfPayment(payment),
    legs: legs.map((leg, place) => {
      return reasons[place] ? { ...leg, account: { code: suspenseCode, asset } } : leg;
    }),
    description: "payment",
    notes: notesOf(payment),
    effective,
    reverses: 0n,
    reversesLegs: [],
    suspended,
    occurred: tooLate || inClosed ? payment.occurred : undefined,
    payment: { paymentId: payment.paymentId, asset, paid: payment.amount, sequence: at.sequence },
  };
}

/** No two of them are on one account. */
function legsOf({ paymentId, asset, amount, fee, tax }: Payment): Leg[] {
  const [provider] = paymentId.split("/");
  const leg = (side: Leg["side"], code: string, of: bigint): Leg => {
    return { account: { code, asset }, side, amount: of };
  };
  return [
    leg("debit", `assets:${provider}:clearing`, amount - fee),
    leg("debit", `expenses:fees:${provider}`, fee),
    leg("credit", "income:sales", amount - tax),
    leg("credit", "liabilities:tax", tax),
  ].filter((one) => one.amount > 0n);
}

/** The way back to the webhook. */
export function notesOf({ paymentId }: Payment) {
  const own = paymentId.split("/").at(-1)!;
  return [
    { key: "endpoint_id", value: "model" },
    { key: "provider_event_id", value: `evt_${own}` },
    { key: "webhook_id", value: `wh_${own}` },
  ];
}
