// Samples of Adyen's payment webhooks: one item each, of the merchant account that is
// the endpoint's provider account.

import { type Asked, nowText, randomId, type Samples, upper } from "./sample.ts";

export const adyen: Samples = {
  AUTHORISATION: (asked) => paid(asked, "true"),
  "AUTHORISATION+refused": (asked) => paid(asked, "false"),
  REFUND: (asked) => about("REFUND", asked),
  REFUND_FAILED: (asked) => about("REFUND_FAILED", asked),
  CHARGEBACK: (asked) => about("CHARGEBACK", asked),
  CHARGEBACK_REVERSED: (asked) => about("CHARGEBACK_REVERSED", asked),
  SECOND_CHARGEBACK: (asked) => about("SECOND_CHARGEBACK", asked),
};

function paid(asked: Asked, success: string) {
  return webhook(asked, {
    eventCode: "AUTHORISATION",
    pspReference: asked.paymentId ?? newReference(),
    success,
  });
}

function about(eventCode: string, asked: Asked) {
  return webhook(asked, {
    eventCode,
    pspReference: asked.id ?? newReference(),
    originalReference: asked.paymentId ?? newReference(),
    success: "true",
  });
}

function newReference(): string {
  return randomId("").slice(0, 16).toUpperCase();
}

function webhook(asked: Asked, item: object) {
  const NotificationRequestItem = {
    amount: { currency: upper(asked), value: asked.amount },
    merchantAccountCode: asked.account,
    merchantReference: asked.orderId ?? "",
    eventDate: nowText(),
    ...item,
  };
  return { live: "false", notificationItems: [{ NotificationRequestItem }] };
}
