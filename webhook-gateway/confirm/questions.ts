// What to ask a provider about a webhook that it did not sign for, and whether the answer is about
// what was asked. The id may come from whoever sent the request; what it leads to is theirs.

import type { WebhookConfirmed, WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Json, jsonMember, scanJson } from "#mesh/rpc/json.ts";
import { identifyJson } from "../providers/identify.ts";
import { mercadoPagoReference } from "../providers/mercadopago.ts";
import { mollieReference } from "../providers/mollie.ts";

export type Question = {
  /** On the provider's API. */
  readonly path: string;
  /** The id that the answer must bear. */
  readonly id: string;
};

const questions: ReadonlyMap<string, (webhook: WebhookReceived) => Question | undefined> = new Map([
  ["paypal", paypalEvent],
  ["mollie", molliePayment],
  ["mercadopago", mercadoPagoPayment],
]);

/** Undefined when it points at nothing that means money. */
export function questionOf(webhook: WebhookReceived): Question | undefined {
  return questions.get(webhook.provider)?.(webhook);
}

/** Why the answer is not about what was asked; undefined when it is. */
export function disagreementOf({ webhook, body, path }: WebhookConfirmed): string | undefined {
  const question = webhook && questionOf(webhook);
  if (!question || question.path !== path) return `${path} is not what this webhook asks for`;
  const scan = scanJson(body);
  const answered = scan.ok ? idOf(jsonMember(scan.value, "id")) : undefined;
  if (answered === question.id) return undefined;
  return `${path} was answered with another id than ${question.id}`;
}

function idOf(json: Json | undefined): string | undefined {
  if (json?.kind === "string") return json.value;
  return json?.kind === "number" ? json.text : undefined;
}

function paypalEvent({ body }: WebhookReceived): Question | undefined {
  const { eventId: id } = identifyJson(body, { id: ["id"], type: ["event_type"] });
  if (!/^WH-[A-Z0-9-]{1,80}$/.test(id)) return undefined;
  return { path: `/v1/notifications/webhooks-events/${id}`, id };
}

/** Refunds and chargebacks are reported under their payment's id. */
function molliePayment({ body }: WebhookReceived): Question | undefined {
  const id = mollieReference(body);
  if (!id?.startsWith("tr_")) return undefined;
  return { path: `/v2/payments/${id}?embed=refunds,chargebacks`, id };
}

function mercadoPagoPayment({ eventId }: WebhookReceived): Question | undefined {
  const id = mercadoPagoReference(eventId);
  if (!id || !/^[0-9]{1,20}$/.test(id)) return undefined;
  return { path: `/v1/payments/${id}`, id };
}
