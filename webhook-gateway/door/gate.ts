// What is refused by a request's head alone, before a byte of its body is read:
// from a stranger's address, by the wrong method, or written in a way that the
// endpoint does not take.

import type { IncomingMessage } from "node:http";
import type { Endpoint } from "../endpoints.ts";
import { type Answer, answers } from "./answer.ts";
import { announcesMoreThan } from "./body.ts";
import { isTypeOf, readEncoding } from "./request.ts";

export type Refused = { readonly reason: string; readonly answer: Answer };

const refusals = {
  endpoint: { reason: "endpoint-unknown", answer: answers.notFound },
  method: { reason: "method", answer: answers.methodNotAllowed },
  methodHere: { reason: "method", answer: answers.methodNotAllowedHere },
  address: { reason: "address", answer: answers.forbidden },
  encoding: { reason: "content-encoding", answer: answers.unsupported },
  type: { reason: "content-type", answer: answers.unsupported },
  large: { reason: "too-large", answer: answers.tooLarge },
} as const satisfies Record<string, Refused>;

/** By how it is asked, and by whom. */
export function refuseCall(
  method: string | undefined,
  query: string | undefined,
  { provider }: Endpoint,
): Refused | undefined {
  const asks = method === "GET" && provider.challenge !== undefined;
  if (!asks && method !== "POST") return provider.challenge ? refusals.methodHere : refusals.method;
  // For a provider that knows no query this is another address.
  return query === undefined || asks || provider.signsQuery ? undefined : refusals.endpoint;
}

/** `listed`: the endpoint's policy names the address. */
export function refuseAddress({ addresses }: Endpoint, listed: boolean): Refused | undefined {
  return addresses?.enforce && !listed ? refusals.address : undefined;
}

export function refuseBody(request: IncomingMessage, endpoint: Endpoint): Refused | undefined {
  const { headers } = request;
  const encoding = readEncoding(headers["content-encoding"]);
  if (encoding === undefined || (encoding === "gzip" && !endpoint.gzip)) return refusals.encoding;
  if (!isTypeOf(endpoint.provider.contentType, headers["content-type"])) return refusals.type;
  return announcesMoreThan(request, endpoint.bodyBytesMax) ? refusals.large : undefined;
}
