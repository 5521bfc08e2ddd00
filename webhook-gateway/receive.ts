// The door, one request from top to bottom: whose endpoint, how much, authentic
// or not, stored or not, answer. Nothing is acknowledged before it is durable,
// nothing is judged beyond its signature, and no database is asked.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Log } from "#mesh/process/log.ts";
import { type Span, type SpanStart, withSpan } from "#mesh/telemetry/trace.ts";
import { type Answer, answers, respond, respondUnread } from "./door/answer.ts";
import { announcesMoreThan, readBody } from "./door/body.ts";
import type { Handle } from "./door/listen.ts";
import type { Load } from "./door/load.ts";
import type { DoorMetrics } from "./door/metrics.ts";
import { endpointIdOf, isJsonType, isPlainEncoding, readHead } from "./door/request.ts";
import type { Endpoint, Endpoints } from "./endpoints.ts";
import { activeKeys } from "./secrets.ts";
import type { StoreWebhook } from "./store-webhook.ts";
import { createWebhook } from "./webhook.ts";

export type ReceiverOptions = {
  readonly endpoints: Endpoints;
  readonly store: StoreWebhook;
  readonly load: Load;
  readonly metrics: DoorMetrics;
  readonly log: Log;
  readonly bodyTimeoutMs: number;
  readonly now: () => Date;
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
  const { load, metrics } = options;
  const refuseUnread = (endpointId: string, reason: string, answer: Answer) => {
    metrics.rejected.inc({ endpoint: endpointId, reason });
    respondUnread(request, response, answer);
  };

  const endpoint = options.endpoints.get(endpointIdOf(request.url) ?? "");
  if (!endpoint) return refuseUnread("unknown", "endpoint-unknown", answers.notFound);
  const { endpointId } = endpoint;
  if (request.method !== "POST") {
    return refuseUnread(endpointId, "method", answers.methodNotAllowed);
  }
  if (!isPlainEncoding(request.headers["content-encoding"])) {
    return refuseUnread(endpointId, "content-encoding", answers.unsupported);
  }
  if (!isJsonType(request.headers["content-type"])) {
    return refuseUnread(endpointId, "content-type", answers.unsupported);
  }
  if (announcesMoreThan(request, endpoint.bodyBytesMax)) {
    return refuseUnread(endpointId, "too-large", answers.tooLarge);
  }
  if (!load.takeRequest()) return refuseUnread(endpointId, "busy", answers.unavailable);

  const startedAt = performance.now();
  try {
    await withSpan(doorSpan(endpointId), async (span) => {
      if (request.headers.expect !== undefined) response.writeContinue();
      const read = await readBody(request, load, {
        bytesMax: endpoint.bodyBytesMax,
        timeoutMs: options.bodyTimeoutMs,
      });
      if (read.kind === "gone") {
        return metrics.rejected.inc({ endpoint: endpointId, reason: "gone" });
      }
      if (read.kind !== "read") {
        const answer = unreadAnswers[read.kind];
        tellAnswer(span, answer);
        return refuseUnread(endpointId, read.kind, answer);
      }
      try {
        const answer = await answerTo(options, endpoint, request, read.bytes);
        respond(response, answer, connection.closing);
        tellAnswer(span, answer);
        if (answer.status >= 300) return;
        metrics.ackSeconds.observe({}, (performance.now() - startedAt) / 1_000, span);
      } finally {
        load.releaseBytes(read.bytes.byteLength);
      }
    });
  } finally {
    load.releaseRequest();
  }
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

const unreadAnswers = {
  "too-large": answers.tooLarge,
  "too-slow": answers.timeout,
  "no-room": answers.unavailable,
} as const;

/** From the bytes on: authentic → identified → durable → acknowledged. */
async function answerTo(
  options: ReceiverOptions,
  endpoint: Endpoint,
  request: IncomingMessage,
  body: Buffer,
): Promise<Answer> {
  const { metrics, log, store } = options;
  const { endpointId, provider } = endpoint;
  const receivedTime = options.now();
  const head = readHead(request.rawHeaders, provider.signatureHeaders);
  const signed = { body, header: head.header };

  const verified = head.duplicated
    ? ({ verified: false, rejection: "header-duplicated" } as const)
    : provider.verify(signed, {
        keys: activeKeys(endpoint.secrets, receivedTime),
        now: receivedTime,
        toleranceMs: endpoint.toleranceMs,
      });
  if (!verified.verified) {
    const reason = verified.rejection;
    metrics.rejected.inc({ endpoint: endpointId, reason });
    log.debug("webhook rejected", { endpoint: endpointId, reason });
    return answers.unauthorized;
  }
  metrics.verified.inc({ endpoint: endpointId, key: verified.key?.fingerprint ?? "none" });

  const webhook: WebhookReceived = createWebhook(
    endpoint,
    {
      ...signed,
      headers: head.sent,
      contentType: request.headers["content-type"] ?? "",
      receivedTime,
    },
    verified,
  );
  const stored = await store(webhook);
  if (!stored.durable) {
    metrics.notDurable.inc({ endpoint: endpointId });
    return answers.unavailable;
  }
  metrics.acked.inc({ endpoint: endpointId, duplicate: String(stored.duplicate) });
  return answers.received;
}
