// A refused request once more, as of the time it was received, with the secrets of now. A secret
// that is listed today but begins later counts too: that the operator wrote down when it became
// active says nothing about when its provider began to sign with it, and a secret that was added
// to mend this very refusal always begins later. One that had ended by then does not count.

import type { X509Certificate } from "node:crypto";
import { authenticate, type ReadRequest, readRequest, trustOf } from "../authenticate.ts";
import type { Certificates } from "../certificates/certificates.ts";
import type { Endpoint } from "../endpoints.ts";
import type { StoreWebhooks } from "../store-webhook.ts";
import { webhooksOf } from "../webhook.ts";
import type { KeptRequest } from "./sealed.ts";

export type Reverified =
  | { readonly kind: "stored"; readonly webhookIds: readonly string[] }
  | { readonly kind: "refused" }
  | { readonly kind: "not-durable" }
  | { readonly kind: "certificate-away"; readonly detail: string };

export type Reverifying = {
  /** The door's own way of making webhooks durable. */
  readonly store: StoreWebhooks;
  /** Of providers that sign with one; the one of then is the one that is at its address now. */
  readonly certificates: Certificates;
};

const storeDeadlineMs = 5_000;

export async function reverify(
  { store, certificates }: Reverifying,
  endpoint: Endpoint,
  { headers, contentType, query, body }: KeptRequest,
  receivedTime: Date,
): Promise<Reverified> {
  const rawHeaders = headers.flatMap(({ name, value }) => [name, value]);
  const request = readRequest(endpoint, { rawHeaders, query, contentType, body, receivedTime });
  const found = await findCertificate(certificates, endpoint, request);
  if ("kind" in found) return found;
  const secrets = endpoint.secrets.map((secret) => ({ ...secret, notBeforeMs: -Infinity }));
  const trust = trustOf({ ...endpoint, secrets }, receivedTime, found.certificate);
  const verified = authenticate(endpoint, request, trust);
  if (!verified.verified) return { kind: "refused" };
  const webhooks = webhooksOf(endpoint, request, verified);
  const stored = await store(webhooks, { deadlineMs: storeDeadlineMs, spool: false });
  if (!stored.durable) return { kind: "not-durable" };
  return { kind: "stored", webhookIds: webhooks.map(({ webhookId }) => webhookId) };
}

/** What the request says about where it is; none where its provider signs without. */
async function findCertificate(
  certificates: Certificates,
  { provider }: Endpoint,
  request: ReadRequest,
): Promise<{ readonly certificate?: X509Certificate } | Reverified> {
  const url = provider.certificateUrl?.(request);
  if (url === undefined) return {};
  const found = await certificates.get(url);
  if ("certificate" in found) return found;
  const { problem, detail } = found;
  return problem === "refused" ? { kind: "refused" } : { kind: "certificate-away", detail };
}
