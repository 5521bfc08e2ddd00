// Samples of Mercado Pago's notifications, which only say which payment changed: how
// much of what, the gateway asks Mercado Pago.

import { type Asked, digitsOf, nowText, type Samples } from "./sample.ts";

export const mercadoPago: Samples = {
  "payment.updated": (asked) => notification("payment.updated", asked),
  "payment.created": (asked) => notification("payment.created", asked),
};

function notification(action: string, { paymentId }: Asked) {
  return {
    id: Number(digitsOf(undefined)),
    live_mode: false,
    type: "payment",
    date_created: nowText(),
    api_version: "v1",
    action,
    data: { id: digitsOf(paymentId) },
  };
}
