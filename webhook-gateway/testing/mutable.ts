// A provider's valid request, and what of it is signed, to compare changed ones with.

import type { X509Certificate } from "node:crypto";
import { authenticate, readRequest, trustOf } from "../authenticate.ts";
import type { Endpoint } from "../endpoints.ts";
import { webhooksOf } from "../webhook.ts";
import type { Request } from "./mutate.ts";
import type { Sample } from "./provider-samples.ts";
import { signedPart } from "./signed-part.ts";

export type Mutable = {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly request: Request;
  readonly signed: string;
  readonly certificate: X509Certificate | undefined;
};

export function mutable({ name, endpoint, body, sign }: Sample, now: Date): Mutable {
  // What is not signed at all is a form that points at something.
  const { headers, ...sent } = sign(now) ?? { headers: {}, body: Buffer.from("id=tr_1234") };
  const request = {
    rawHeaders: Object.entries(headers).flat(),
    query: "query" in sent ? sent.query : undefined,
    body: Buffer.from(sent.body ?? body),
  };
  const certificate = "certificate" in sent ? sent.certificate : undefined;
  const read = readRequest(endpoint, { ...request, contentType: "", receivedTime: now });
  const verified = authenticate(endpoint, read, trustOf(endpoint, now, certificate));
  if (!verified.verified) throw new Error(`${name} refuses what it signed: ${verified.rejection}`);
  const webhooks = webhooksOf(endpoint, read, verified);
  const signed = signedPart(endpoint.provider, request.body, webhooks);
  return { name, endpoint, request, signed, certificate };
}
