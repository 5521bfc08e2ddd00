// From a request's bytes to the word that they are authentic: the headers that
// count, each of them once, and the provider's own rules. Pure, so that it can be
// tried a million times.

import type { X509Certificate } from "node:crypto";
import { type Head, readHead } from "./door/request.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Rejection, SignedRequest, Trust, Verified } from "./providers/provider.ts";
import { activeKeys } from "./secrets.ts";

export type ReadRequest = SignedRequest & {
  readonly head: Head;
  readonly contentType: string;
  readonly receivedTime: Date;
};

export type Unauthentic = {
  readonly verified: false;
  readonly rejection: Rejection | "header-duplicated";
};

export type Received = {
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly query: string | undefined;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  readonly receivedTime: Date;
};

/** What the endpoint's provider may see of a request. */
export function readRequest({ provider }: Endpoint, received: Received): ReadRequest {
  const { query, body, receivedTime } = received;
  const head = readHead(received.rawHeaders, provider);
  const request = {
    body,
    header: head.header,
    head,
    contentType: received.contentType ?? "",
    receivedTime,
  };
  return provider.signsQuery ? { ...request, query: new URLSearchParams(query) } : request;
}

export function trustOf(
  { secrets, toleranceMs }: Endpoint,
  now: Date,
  certificate?: X509Certificate,
): Trust {
  return { keys: activeKeys(secrets, now), now, toleranceMs, certificate };
}

export function authenticate(
  { provider }: Endpoint,
  request: ReadRequest,
  trust: Trust,
): Verified | Unauthentic {
  if (request.head.duplicated) return { verified: false, rejection: "header-duplicated" };
  return provider.verify(request, trust);
}
