// Samples of Coinbase Commerce's events: charges that were paid, and those that were not.

import {
  type Asked,
  decimalOf,
  metadataOf,
  nowText,
  randomId,
  type Samples,
  upper,
} from "./sample.ts";

export const coinbase: Samples = {
  "charge:confirmed": (asked) => {
    const payment = { network: "base", status: "CONFIRMED", value: { local: priceOf(asked) } };
    return event("charge:confirmed", asked, "COMPLETED", [payment]);
  },
  "charge:failed": (asked) => event("charge:failed", asked, "EXPIRED", []),
};

function event(type: string, asked: Asked, status: string, payments: readonly object[]) {
  const created_at = nowText();
  const data = {
    id: asked.paymentId ?? randomId(""),
    metadata: metadataOf(asked),
    pricing: { local: priceOf(asked) },
    payments,
    timeline: [{ time: created_at, status }],
  };
  const id = randomId("");
  return { id, attempt_number: 1, event: { id: randomId(""), type, created_at, data } };
}

function priceOf(asked: Asked) {
  return { amount: decimalOf(asked), currency: upper(asked) };
}
