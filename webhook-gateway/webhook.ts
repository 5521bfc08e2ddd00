// The event that the door publishes: the bytes as they came, who sent them, and
// how that is known. Its id is made of signed material only, so that whoever
// sends a webhook again, under whatever unsigned headers, sends the same one.

import { hash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { attestationsOf } from "./attestations.ts";
import type { ReadRequest } from "./authenticate.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Identity, Verified } from "./providers/provider.ts";

/** Every event of a request; mostly it carries one, and that is its body. */
export function webhooksOf(
  endpoint: Endpoint,
  request: ReadRequest,
  verified: Verified,
): readonly WebhookReceived[] {
  const parts = endpoint.provider.split?.(request);
  // Authentic, and empty for whoever splits it: it is kept as it is.
  if (!parts || parts.length === 0) return [createWebhook(endpoint, request, verified, 0)];
  return parts.map((body, partIndex) =>
    createWebhook(endpoint, { ...request, body }, verified, partIndex),
  );
}

/** What senders may write at any length; the schema's limit. */
const textMax = 255;

function createWebhook(
  endpoint: Endpoint,
  request: ReadRequest,
  { key, signedTime, algorithm = endpoint.provider.algorithm }: Verified,
  partIndex: number,
): WebhookReceived {
  const { provider, providerAccount } = endpoint;
  const identity = provider.identify(request);
  const { eventId, eventType } = identity;
  const bodySha256 = hash("sha256", request.body, "buffer");
  const present = {
    eventId: eventId !== "",
    eventType: eventType !== "",
    signedTime: signedTime !== undefined,
  };
  return create(WebhookReceivedSchema, {
    webhookId: webhookIdOf(ownerOf(endpoint), {
      eventId,
      bodySha256,
      arrival: arrivalOf(endpoint, request),
    }),
    endpointId: endpoint.endpointId,
    provider: provider.name,
    providerAccount,
    ledgerId: endpoint.ledgerId,
    tenantId: endpoint.tenantId,
    eventType,
    eventId,
    unsignedEventId: (identity.unsignedEventId ?? "").slice(0, textMax),
    unsignedEventType: (identity.unsignedEventType ?? "").slice(0, textMax),
    body: request.body,
    bodySha256,
    contentType: request.contentType.slice(0, textMax),
    headers: request.head.sent.map((header) => ({ ...header })),
    verification: {
      scheme: provider.scheme,
      algorithm,
      keyFingerprint: key?.fingerprint ?? "",
      coverage: provider.coverage,
      ...(signedTime && { signedTime: timestampFromDate(signedTime) }),
      attestations: attestationsOf(provider, present),
    },
    receivedTime: timestampFromDate(request.receivedTime),
    partIndex,
  });
}

/** Whose events they are. */
export type EventOwner = {
  readonly tenantId: string;
  readonly provider: string;
  readonly providerAccount: string;
};

function ownerOf({ tenantId, provider, providerAccount }: Endpoint): EventOwner {
  return { tenantId, provider: provider.name, providerAccount };
}

/**
 * Where nothing is signed, nothing tells a repetition from news: the same `id=tr_1` comes when a
 * payment is paid and when it is refunded. Each is an event of its own, and its fetched content is
 * what counts once.
 */
function arrivalOf({ provider }: Endpoint, { receivedTime }: ReadRequest): string {
  return provider.coverage === Coverage.NOTHING ? `\0${receivedTime.getTime()}` : "";
}

export type EventKey = Pick<Identity, "eventId"> & {
  readonly bodySha256: Buffer;
  /** Counts where the event has no id. */
  readonly arrival?: string;
};

/**
 * The endpoint is left out on purpose: two endpoints that hear about one account
 * receive the same events. NUL cannot be part of what stands before the last part,
 * so no two lists of parts are written alike.
 */
export function webhookIdOf(
  { tenantId, provider, providerAccount }: EventOwner,
  { eventId, bodySha256, arrival = "" }: EventKey,
): string {
  const eventKey = eventId ? `id\0${eventId}` : `body\0${bodySha256.toString("hex")}${arrival}`;
  const account = `${provider}\0${providerAccount}`;
  // The leading NUL keeps a tenant from being read as a provider.
  const owned = tenantId ? `\0${tenantId}\0${account}` : account;
  return hash("sha256", `${owned}\0${eventKey}`, "base64url");
}

/**
 * Under which the broker counts it once. Another body under the same id is for the desk to judge,
 * and so is the same body under another unsigned id: the broker would drop both unseen.
 */
export function dedupeIdOf(webhook: WebhookReceived): string {
  const body = Buffer.from(webhook.bodySha256).toString("base64url");
  const signed = `${webhook.webhookId}/${body}`;
  const { unsignedEventId } = webhook;
  return unsignedEventId ? `${signed}/${hash("sha256", unsignedEventId, "base64url")}` : signed;
}
