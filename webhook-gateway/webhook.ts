// The event that the door publishes: the bytes as they came, who sent them, and
// how that is known. Its id is made of signed material only, so that whoever
// sends a webhook again, under whatever unsigned headers, sends the same one.

import { createHash, hash } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Identity, SignedRequest, Verified } from "./providers/provider.ts";

export type VerifiedRequest = SignedRequest & {
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly contentType: string;
  readonly receivedTime: Date;
};

export function createWebhook(
  endpoint: Endpoint,
  request: VerifiedRequest,
  { key, signedTime }: Verified,
): WebhookReceived {
  const { provider, providerAccount } = endpoint;
  const { eventId, eventType } = provider.identify(request);
  const bodySha256 = createHash("sha256").update(request.body).digest();
  return create(WebhookReceivedSchema, {
    webhookId: webhookIdOf(ownerOf(endpoint), { eventId, bodySha256 }),
    endpointId: endpoint.endpointId,
    provider: provider.name,
    providerAccount,
    ledgerId: endpoint.ledgerId,
    tenantId: endpoint.tenantId,
    eventType,
    eventId,
    body: request.body,
    bodySha256,
    contentType: request.contentType,
    headers: request.headers.map((header) => ({ ...header })),
    verification: {
      scheme: provider.scheme,
      algorithm: provider.algorithm,
      keyFingerprint: key?.fingerprint ?? "",
      coverage: provider.coverage,
      ...(signedTime && { signedTime: timestampFromDate(signedTime) }),
    },
    receivedTime: timestampFromDate(request.receivedTime),
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
 * The endpoint is left out on purpose: two endpoints that hear about one account
 * receive the same events. NUL cannot be part of what stands before the last part,
 * so no two lists of parts are written alike.
 */
export function webhookIdOf(
  { tenantId, provider, providerAccount }: EventOwner,
  { eventId, bodySha256 }: Pick<Identity, "eventId"> & { readonly bodySha256: Buffer },
): string {
  const eventKey = eventId ? `id\0${eventId}` : `body\0${bodySha256.toString("hex")}`;
  const account = `${provider}\0${providerAccount}`;
  // The leading NUL keeps a tenant from being read as a provider.
  const owned = tenantId ? `\0${tenantId}\0${account}` : account;
  return hash("sha256", `${owned}\0${eventKey}`, "base64url");
}
