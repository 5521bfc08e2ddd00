// A refused request once more, as of the time it was received, with the secrets of now. A secret
// that is listed today but begins later counts too: that the operator wrote down when it became
// active says nothing about when its provider began to sign with it, and a secret that was added
// to mend this very refusal always begins later. One that had ended by then does not count.

import { authenticate, readRequest, trustOf } from "../authenticate.ts";
import type { Endpoint } from "../endpoints.ts";
import type { StoreWebhooks } from "../store-webhook.ts";
import { webhooksOf } from "../webhook.ts";
import type { KeptRequest } from "./sealed.ts";

export type Reverified =
  | { readonly kind: "stored"; readonly webhookIds: readonly string[] }
  | { readonly kind: "refused" }
  | { readonly kind: "not-durable" };

const storeDeadlineMs = 5_000;

/** Certificates are not fetched: what needs one stays where it is. */
export async function reverify(
  store: StoreWebhooks,
  endpoint: Endpoint,
  { headers, contentType, query, body }: KeptRequest,
  receivedTime: Date,
): Promise<Reverified> {
  const rawHeaders = headers.flatMap(({ name, value }) => [name, value]);
  const request = readRequest(endpoint, { rawHeaders, query, contentType, body, receivedTime });
  const secrets = endpoint.secrets.map((secret) => ({ ...secret, notBeforeMs: -Infinity }));
  const verified = authenticate(endpoint, request, trustOf({ ...endpoint, secrets }, receivedTime));
  if (!verified.verified) return { kind: "refused" };
  const webhooks = webhooksOf(endpoint, request, verified);
  const stored = await store(webhooks, { deadlineMs: storeDeadlineMs, spool: false });
  if (!stored.durable) return { kind: "not-durable" };
  return { kind: "stored", webhookIds: webhooks.map(({ webhookId }) => webhookId) };
}
