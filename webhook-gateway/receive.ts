// The door, one request from top to bottom: whose endpoint, from where, how much,
// authentic or not, stored or not, answer. Nothing is acknowledged before it is
// durable, nothing is judged beyond its signature, and no database is asked.

import type { X509Certificate } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { Log } from "#mesh/process/log.ts";
import { type Span, type SpanStart, withSpan } from "#mesh/telemetry/trace.ts";
import { authenticate, type ReadRequest, readRequest, trustOf } from "./authenticate.ts";
import type { Certificates } from "./certificates/certificates.ts";
import { clientAddress } from "./door/addresses.ts";
import { type Answer, answers, respond, respondUnread, tooMany } from "./door/answer.ts";
import { type BodyRead, readBody } from "./door/body.ts";
import { type Decoded, decodeGzip } from "./door/decode.ts";
import { type Refused, refuseAddress, refuseBody, refuseCall } from "./door/gate.ts";
import type { Handle } from "./door/listen.ts";
import type { Load } from "./door/load.ts";
import type { DoorMetrics } from "./door/metrics.ts";
import { readEncoding, readTarget } from "./door/request.ts";
import { retryAfterSeconds, type Unverified } from "./door/unverified.ts";
import type { Endpoint, EndpointsSnapshot } from "./endpoints.ts";
import type { StoreWebhooks } from "./store-webhook.ts";
import { webhooksOf } from "./webhook.ts";

export type ReceiverOptions = {
  /** Those in force now; a request goes by one snapshot to its end. */
  readonly endpoints: () => EndpointsSnapshot;
  readonly store: StoreWebhooks;
  readonly load: Load;
  readonly unverified: Unverified;
  readonly metrics: DoorMetrics;
  readonly log: Log;
  readonly bodyTimeoutMs: number;
  /** Longest wait for the durable record, where the provider itself waits longer. */
  readonly publishTimeoutMs: number;
  /** For providers that sign by certificate; left out, none of theirs is authentic. */
  readonly certificates?: Certificates;
  readonly observed?: Observed;
  /** Told of each request that was read and is not authentic. The body is not its own to keep. */
  readonly refused?: (refusal: Refusal) => void;
  readonly now: () => Date;
};

/** What statistics are made of. */
export type Observed = {
  acked(endpointId: string, duplicate: boolean): void;
  refused(endpointId: string, reason: string): void;
  notDurable(endpointId: string): void;
};

export type Refusal = {
  readonly endpoint: Endpoint;
  readonly reason: string;
  readonly request: Pick<ReadRequest, "body" | "contentType" | "query"> & {
    readonly headers: readonly { readonly name: string; readonly value: string }[];
  };
  readonly receivedTime: Date;
};

/** One request on its way. */
type Call = {
  readonly options: ReceiverOptions;
  readonly snapshot: EndpointsSnapshot;
  readonly endpoint: Endpoint;
  readonly query: string | undefined;
  readonly client: string;
  /** The endpoint names that address as its provider's. */
  readonly listed: boolean;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly startedMs: number;
};

export function createReceiver(options: ReceiverOptions): Handle {
  return (request, response, connection) => {
    receive(options, request, response, connection).catch((error: unknown) => {
      options.log.error("receiving a webhook failed", { error });
      if (!response.headersSent) respondUnread(request, response, answers.failed);
      else response.destroy();
    });
  };
}

async function receive(
  options: ReceiverOptions,
  request: IncomingMessage,
  response: ServerResponse,
  connection: { readonly closing: boolean },
): Promise<void> {
  const startedMs = performance.now();
  const snapshot = options.endpoints();
  const target = readTarget(request.url);
  const endpoint = target && snapshot.endpoints.get(target.endpointId);
  if (!endpoint) {
    options.metrics.rejected.inc({ endpoint: "unknown", reason: "endpoint-unknown" });
    return respondUnread(request, response, answers.notFound);
  }
  const { query } = target;
  const forwardedFor = request.headers["x-forwarded-for"] as string | undefined;
  const client = clientAddress(request.socket.remoteAddress, forwardedFor, snapshot.trustedProxies);
  const listed = endpoint.addresses?.allow.has(client) ?? false;
  const call = { options, snapshot, endpoint, query, client, listed, request, response, startedMs };

  const refused = refuseCall(request.method, query, endpoint) ?? refuseAddress(endpoint, listed);
  if (refused) return refuseUnread(call, refused);
  if (endpoint.addresses && !listed) {
    options.metrics.unlisted.inc({ endpoint: endpoint.endpointId });
  }
  const { unverified } = options;
  const admission = unverified.admit(client, snapshot.unverifiedLimit, listed, startedMs);
  if (admission === "refused") {
    return refuseUnread(call, { reason: "rate-limited", answer: later(snapshot) });
  }
  try {
    if (request.method === "GET") answerChallenge(call);
    else await receivePost(call, connection);
  } finally {
    if (admission === "watched") unverified.leave(client);
  }
}

/** Nothing proves who asks, so asking counts like a failure: what it is answered with is signed. */
function answerChallenge(call: Call): void {
  const { options, snapshot, endpoint, query, client, request, response, startedMs } = call;
  const { rawHeaders } = request;
  const receivedTime = options.now();
  const body = new Uint8Array();
  const asked = readRequest(endpoint, {
    rawHeaders,
    query,
    contentType: undefined,
    body,
    receivedTime,
  });
  const challenge = { ...asked, method: "GET", query: new URLSearchParams(query) };
  const answer = endpoint.provider.challenge?.(challenge, trustOf(endpoint, receivedTime));
  if (options.unverified.failed(client, snapshot.unverifiedLimit, startedMs)) {
    refuseUnread(call, { reason: "rate-limited", answer: later(snapshot) });
  } else if (!answer) {
    refuseUnread(call, { reason: "challenge-malformed", answer: answers.unauthorized });
  } else {
    options.metrics.challenged.inc({ endpoint: endpoint.endpointId });
    respondUnread(request, response, answer);
  }
}

async function receivePost(call: Call, connection: { readonly closing: boolean }): Promise<void> {
  const { options, endpoint, request, response, startedMs } = call;
  const { load, metrics } = options;
  const refused = refuseBody(request, endpoint);
  if (refused) return refuseUnread(call, refused);
  if (!load.takeRequest()) return refuseUnread(call, busy);
  try {
    await withSpan(doorSpan(endpoint.endpointId), async (span) => {
      const read = await readWhole(call);
      if (read.kind === "gone") return count(call, "gone");
      if (read.kind !== "read") {
        const answer = unreadAnswers[read.kind];
        tellAnswer(span, answer);
        return refuseUnread(call, { reason: read.kind, answer });
      }
      try {
        const answer = await answerTo(call, read.bytes);
        respond(response, answer, connection.closing);
        tellAnswer(span, answer);
        if (answer.status >= 300) return;
        metrics.ackSeconds.observe({}, (performance.now() - startedMs) / 1_000, span);
      } finally {
        load.releaseBytes(read.held);
      }
    });
  } finally {
    load.releaseRequest();
  }
}

const busy: Refused = { reason: "busy", answer: answers.unavailable };

const unreadAnswers = {
  "too-large": answers.tooLarge,
  "too-slow": answers.timeout,
  "no-room": answers.unavailable,
  "encoding-malformed": answers.malformed,
} as const;

/** The body as it was signed. */
async function readWhole(call: Call): Promise<BodyRead | Decoded> {
  const { options, endpoint, request, response } = call;
  if (request.headers.expect !== undefined) response.writeContinue();
  const { load, bodyTimeoutMs: timeoutMs } = options;
  const bytesMax = endpoint.bodyBytesMax;
  const read = await readBody(request, load, { bytesMax, timeoutMs });
  if (read.kind !== "read") return read;
  if (readEncoding(request.headers["content-encoding"]) !== "gzip") return read;
  try {
    return await decodeGzip(read.bytes, load, bytesMax);
  } finally {
    load.releaseBytes(read.held);
  }
}

/** From the bytes on: authentic → identified → durable → acknowledged. */
async function answerTo(call: Call, body: Buffer): Promise<Answer> {
  const { options, snapshot, endpoint, query } = call;
  const { rawHeaders, headers } = call.request;
  const { metrics } = options;
  const { endpointId, provider } = endpoint;
  const receivedTime = options.now();
  const contentType = headers["content-type"];
  const request = readRequest(endpoint, { rawHeaders, query, contentType, body, receivedTime });

  let certificate: X509Certificate | undefined;
  const url = provider.certificateUrl?.(request);
  if (url !== undefined && options.certificates) {
    const found = await options.certificates.get(url);
    // The address is the sender's choice, so asking for it must not be free.
    if ("problem" in found) {
      return found.problem === "refused"
        ? answerUnauthentic(call, request, "certificate-unknown")
        : answerUnauthentic(call, request, "certificate-away", answers.unavailable);
    }
    certificate = found.certificate;
  }
  const trust = trustOf(endpoint, receivedTime, certificate);
  const verified = authenticate(endpoint, request, trust);
  if (!verified.verified) return answerUnauthentic(call, request, verified.rejection);
  if (!isWelcome(call)) {
    count(call, "rate-limited");
    return later(snapshot);
  }
  metrics.verified.inc({ endpoint: endpointId, key: verified.key?.fingerprint ?? "none" });

  if (provider.challenge) {
    const asked = { ...request, method: "POST", query: new URLSearchParams(query) };
    const answer = provider.challenge(asked, trust);
    if (answer) {
      metrics.challenged.inc({ endpoint: endpointId });
      return answer;
    }
  }
  const webhooks = webhooksOf(endpoint, request, verified);
  const { spool } = endpoint;
  const stored = await options.store(webhooks, { deadlineMs: deadlineMsOf(call), spool });
  if (!stored.durable) {
    metrics.notDurable.inc({ endpoint: endpointId });
    options.observed?.notDurable(endpointId);
    return answers.unavailable;
  }
  metrics.acked.inc({ endpoint: endpointId, duplicate: String(stored.duplicate) });
  options.observed?.acked(endpointId, stored.duplicate);
  return endpoint.ack;
}

/** What the way to the provider takes, there and back. */
const wayMs = 1_000;
/** What was read deserves a try, however late it is. */
const deadlineMsMin = 100;

/** An answer that comes after the provider has given up is none. */
function deadlineMsOf({ options, endpoint, startedMs }: Call): number {
  const leftMs = endpoint.provider.patience.timeoutMs - wayMs - (performance.now() - startedMs);
  return Math.max(deadlineMsMin, Math.min(options.publishTimeoutMs, leftMs));
}

function answerUnauthentic(
  call: Call,
  request: ReadRequest,
  reason: string,
  answer: Answer = answers.unauthorized,
): Answer {
  const { options, snapshot, endpoint, client } = call;
  count(call, reason);
  options.log.debug("webhook rejected", { endpoint: endpoint.endpointId, reason });
  const { body, contentType, receivedTime, head, query } = request;
  options.refused?.({
    endpoint,
    reason,
    request: { body, contentType, headers: head.sent, ...(query && { query }) },
    receivedTime,
  });
  const { unverifiedLimit } = snapshot;
  const over = options.unverified.failed(client, unverifiedLimit, performance.now());
  return over ? later(snapshot) : answer;
}

/** Where nothing is signed an authentic request cannot be told from another, so each counts. */
function isWelcome({ options, snapshot, endpoint, client, listed, startedMs }: Call): boolean {
  const { unverified } = options;
  if (endpoint.provider.coverage === Coverage.NOTHING) {
    return listed || !unverified.failed(client, snapshot.unverifiedLimit, startedMs);
  }
  unverified.verified(client, startedMs);
  return true;
}

function later({ unverifiedLimit }: EndpointsSnapshot): Answer {
  return tooMany(retryAfterSeconds(unverifiedLimit));
}

function refuseUnread(call: Call, { reason, answer }: Refused): void {
  count(call, reason);
  respondUnread(call.request, call.response, answer);
}

function count({ options, endpoint: { endpointId } }: Call, reason: string): void {
  options.metrics.rejected.inc({ endpoint: endpointId, reason });
  options.observed?.refused(endpointId, reason);
}

/** The trace of a webhook begins here: its sender's own, if it has one, is nobody's we know. */
function doorSpan(endpointId: string): SpanStart {
  const route = "/v1/in/{endpoint_id}";
  const attributes = {
    "http.request.method": "POST",
    "http.route": route,
    "bursar.endpoint": endpointId,
  };
  return { name: `POST ${route}`, kind: "server", parent: null, attributes };
}

function tellAnswer(span: Span, { status }: Answer): void {
  span.set({ "http.response.status_code": status });
  if (status >= 500) span.end({ code: String(status) });
}
