// What a browser is told about pages of other origins (CORS). Their calls carry no cookies: the
// user's token is all they have, and only pages that are listed get to send it or see an answer.

import { cors } from "@connectrpc/connect";

/** Of a request, in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

export type CrossOrigin =
  /** From a page that may call; its origin stands in every answer. */
  | { readonly kind: "listed"; readonly origin: string }
  /** From no page, or from one that this very host serves. */
  | { readonly kind: "none" }
  | { readonly kind: "stranger" };

/** Without an Origin, a browser that is sent by another page says so in Sec-Fetch-Site. */
export function crossOriginOf(headers: RequestHeaders, origins: ReadonlySet<string>): CrossOrigin {
  const { origin, "sec-fetch-site": site } = headers;
  if (origin === undefined) {
    const isOwn = site === undefined || site === "same-origin" || site === "none";
    return { kind: isOwn ? "none" : "stranger" };
  }
  const isListed = typeof origin === "string" && origins.has(origin);
  return isListed ? { kind: "listed", origin } : { kind: "stranger" };
}

const allowedMethods = cors.allowedMethods.join(", ");
const allowedHeaders = [...cors.allowedHeaders, "Authorization", "Traceparent", "Tracestate"].join(
  ", ",
);
const exposedHeaders = [...cors.exposedHeaders, "Retry-After", "Grpc-Retry-Pushback-Ms"].join(", ");

/** The longest that a browser remembers it (Chrome; Firefox would take a day). */
const preflightSeconds = 7_200;

export function preflightHeaders(origin: string): Record<string, string> {
  return {
    ...originHeaders(origin),
    "access-control-allow-methods": allowedMethods,
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": `${preflightSeconds}`,
  };
}

/** Of every other answer. What one learner may see is kept for nobody. */
export function answerHeaders(asked: CrossOrigin): Record<string, string> {
  const common = {
    vary: "Origin",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
  };
  if (asked.kind !== "listed") return common;
  const { origin } = asked;
  return { ...common, ...originHeaders(origin), "access-control-expose-headers": exposedHeaders };
}

function originHeaders(origin: string) {
  return { "access-control-allow-origin": origin, vary: "Origin" };
}
