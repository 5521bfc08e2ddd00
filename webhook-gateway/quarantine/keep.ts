// The door's side of the quarantine: what an endpoint refused is sealed and published, best effort,
// behind the answer. A flood costs a bounded number a minute and an endpoint, a bounded queue, and
// nobody's answer: what does not fit is counted and forgotten.

import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WebhookQuarantinedSchema } from "#gen/bursar/quarantine/v1/quarantine_pb.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { Endpoint, EndpointsSnapshot } from "../endpoints.ts";
import { seal } from "./sealed.ts";

export type Refusal = {
  readonly endpoint: Endpoint;
  readonly reason: string;
  readonly request: {
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly contentType: string;
    readonly query?: URLSearchParams;
    readonly body: Uint8Array;
  };
  readonly receivedTime: Date;
};

export type QuarantineOptions = {
  readonly endpoints: () => Pick<EndpointsSnapshot, "quarantineKey">;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Quarantine = AsyncDisposable & {
  /** Never throws, never waits; the body is copied. */
  refused(refusal: Refusal): void;
};

/** A request that is larger sealed than an event may be is not kept. */
const sealedBytesMax = 1_000_000;
const queueBytesMax = 8 * 1024 ** 2;
const publishDeadlineMs = 2_000;
const minuteMs = 60_000;
/** Headers that carry a sender's credentials, whatever a provider's verifier thinks of them. */
const neverKept = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"]);

export function openQuarantine(options: QuarantineOptions): Quarantine {
  const { endpoints, broker, source, log, metrics } = options;
  const dropped = metrics.counter({
    name: "bursar_gateway_quarantine_dropped_total",
    help: "Refused requests that the quarantine did not keep: rate, queue, size or broker",
    labels: ["endpoint", "reason"],
  });
  const kept = metrics.counter({
    name: "bursar_gateway_quarantined_total",
    help: "Refused requests that the quarantine keeps",
    labels: ["endpoint"],
  });
  const admit = createMinutes();
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  let draining: Promise<void> | undefined;
  let closedMs = Number.POSITIVE_INFINITY;

  async function drain(): Promise<void> {
    for (let next = queue.shift(); next; next = queue.shift()) {
      queuedBytes -= next.sealed.byteLength;
      const { endpointId } = next;
      try {
        // A broker that is away must not keep the process from ending.
        if (performance.now() - closedMs > publishDeadlineMs) throw new Error("the door is closed");
        await publish(broker, eventOf(next, source), { deadlineMs: publishDeadlineMs });
        kept.inc({ endpoint: endpointId });
      } catch (error) {
        log.debug("a refused request cannot be kept", { endpoint: endpointId, error });
        dropped.inc({ endpoint: endpointId, reason: "broker" });
      }
    }
  }

  /** Why it is not kept; undefined when it is, or nobody asked for it. */
  function keep({ endpoint, reason, request, receivedTime }: Refusal): string | undefined {
    const { endpointId, quarantine, provider, tenantId } = endpoint;
    const key = endpoints().quarantineKey;
    if (!quarantine || !key || performance.now() >= closedMs) return undefined;
    if (request.body.byteLength > sealedBytesMax) return "size";
    if (!admit(endpointId, quarantine.perMinute, receivedTime.getTime())) return "rate";
    const quarantineId = randomUUID();
    const headers = request.headers.filter(({ name }) => !neverKept.has(name.toLowerCase()));
    const { contentType, body } = request;
    const query = request.query?.toString();
    const sealed = seal(key, quarantineId, { headers, contentType, query, body });
    if (sealed.byteLength > sealedBytesMax) return "size";
    if (queuedBytes + sealed.byteLength > queueBytesMax) return "queue";
    queuedBytes += sealed.byteLength;
    const expireMs = receivedTime.getTime() + quarantine.keepMs;
    const about = { endpointId, provider: provider.name, tenantId, reason, receivedTime };
    queue.push({ ...about, quarantineId, sealed, expireMs });
    draining ??= drain().finally(() => {
      draining = undefined;
    });
    return undefined;
  }

  return {
    refused(refusal) {
      try {
        const why = keep(refusal);
        if (why) dropped.inc({ endpoint: refusal.endpoint.endpointId, reason: why });
      } catch (error) {
        log.error("a refused request cannot be sealed", { error });
      }
    },
    async [Symbol.asyncDispose]() {
      closedMs = performance.now();
      await draining;
    },
  };
}

type Waiting = {
  readonly quarantineId: string;
  readonly endpointId: string;
  readonly provider: string;
  readonly tenantId: string;
  readonly reason: string;
  readonly receivedTime: Date;
  readonly expireMs: number;
  readonly sealed: Uint8Array;
};

function eventOf({ sealed, receivedTime, expireMs, ...about }: Waiting, source: string) {
  const event = create(WebhookQuarantinedSchema, {
    ...about,
    receivedTime: timestampFromMs(receivedTime.getTime()),
    expireTime: timestampFromMs(expireMs),
    sealedRequest: sealed,
  });
  const messageId = about.quarantineId;
  return encodeEvent(WebhookQuarantinedSchema, event, { messageId, source, time: receivedTime });
}

/** So many a minute and an endpoint. Endpoints are configured, so there are not many. */
function createMinutes() {
  let minute = 0;
  const counts = new Map<string, number>();
  return (endpointId: string, max: number, nowMs: number): boolean => {
    const current = Math.floor(nowMs / minuteMs);
    if (current !== minute) counts.clear();
    minute = current;
    const count = counts.get(endpointId) ?? 0;
    if (count >= max) return false;
    counts.set(endpointId, count + 1);
    return true;
  };
}
