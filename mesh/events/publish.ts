// Publishes one event and waits until the broker has it on disk. An unanswered publish may or may
// not be stored: it is sent again under the same id, and the broker keeps one.

import { setTimeout as sleep } from "node:timers/promises";
import type { MsgHdrs } from "@nats-io/transport-node";
import { startPublishSpan } from "../telemetry/messaging.ts";
import type { Span } from "../telemetry/trace.ts";
import { type Broker, BrokerAbsent } from "./broker.ts";
import { isForbidden } from "./broker-refusals.ts";
import type { EncodedEvent } from "./event.ts";
import { createHeaders } from "./outgoing-headers.ts";
import { headerOf } from "./raw-message.ts";
import { ensureStream, isApiError } from "./streams.ts";

/** A fault: nobody knows whether the event is stored. The same event may be published again. */
export class NotDurable extends Error {
  override name = "NotDurable";
  readonly code = "NOT_DURABLE";
}

export type Published = {
  readonly sequence: bigint;
  /** The broker had it already. */
  readonly duplicate: boolean;
};

export async function publish(
  broker: Broker,
  event: EncodedEvent,
  options: { readonly deadlineMs: number },
): Promise<Published> {
  const outgoing = prepare(event);
  try {
    const published = await send(broker, outgoing, options);
    outgoing.span.end();
    return published;
  } catch (error) {
    outgoing.span.end(error);
    throw error;
  }
}

/** An event on its way, with the span that the message carries. */
export type Outgoing = { readonly event: EncodedEvent; readonly span: Span };

export function prepare(event: EncodedEvent): Outgoing {
  return { event, span: startPublishSpan(event, headerOf(event, "traceparent")) };
}

export async function send(
  broker: Broker,
  outgoing: Outgoing,
  options: { readonly deadlineMs: number },
): Promise<Published> {
  const { event } = outgoing;
  const deadline = performance.now() + options.deadlineMs;
  const headers = natsHeaders(outgoing);
  let last: unknown;
  for (let attempt = 0; ; attempt++) {
    const remainingMs = deadline - performance.now();
    if (remainingMs <= 0) break;
    if (!broker.connected && !(await broker.waitUntilConnected(remainingMs))) break;
    try {
      return await publishOnce(broker, event, headers, deadline - performance.now());
    } catch (error) {
      if (isRefused(error)) throw error;
      last = error;
    }
    // Until an operator mends its permissions, the broker says so every time.
    if (isForbidden(last)) break;
    if (isUnheard(last)) await makeStream(broker, event.stream);
    await sleep(Math.random() * Math.min(500, 20 * 2 ** attempt));
  }
  const cause = last ?? new Error("the broker is not connected");
  throw notDurable(event, options.deadlineMs, cause);
}

export function notDurable(
  { subject, messageId }: EncodedEvent,
  deadlineMs: number,
  cause?: unknown,
): NotDurable {
  const what = `${subject} ${messageId} was not acknowledged within ${deadlineMs} ms`;
  return new NotDurable(what, { cause });
}

const attemptTimeoutMs = 2_000;

async function publishOnce(
  broker: Broker,
  event: EncodedEvent,
  messageHeaders: MsgHdrs,
  remainingMs: number,
): Promise<Published> {
  const ack = await whileConnected(broker, () =>
    broker.js().publish(event.subject, event.data, {
      headers: messageHeaders,
      timeout: Math.max(1, Math.min(attemptTimeoutMs, remainingMs)),
      retries: 0,
    }),
  );
  return { sequence: BigInt(ack.seq), duplicate: ack.duplicate };
}

/** An answer cannot come over a connection that is gone: it is not waited for. */
export async function whileConnected<T>(broker: Broker, ask: () => Promise<T>): Promise<T> {
  const lost = Promise.withResolvers<never>();
  const forget = broker.onDisconnect(() => lost.reject(new BrokerAbsent("connection lost")));
  try {
    return await Promise.race([ask(), lost.promise]);
  } finally {
    forget();
  }
}

/**
 * As the broker reads them: what the event says of itself, its id, and the stream it is meant for.
 * Anew for every attempt that adds headers of its own.
 */
export function natsHeaders({ event, span }: Outgoing): MsgHdrs {
  const built = createHeaders();
  for (const [name, value] of event.headers) {
    if (name !== "traceparent" || !span.recorded) built.add(name, value);
  }
  if (span.recorded) built.add("traceparent", span.traceparent);
  built.add("Nats-Msg-Id", dedupeIdOf(event));
  // A subject bound to another stream by mistake must not be acknowledged from there.
  built.add("Nats-Expected-Stream", event.stream);
  return built;
}

/** What the broker tells repetitions by. */
export function dedupeIdOf({ dedupeId, messageId }: EncodedEvent): string {
  return dedupeId ?? messageId;
}

/** The broker will refuse this very message every time. */
export function isRefused(error: unknown): boolean {
  if (isApiError(error, messageTooLarge)) return true;
  return error instanceof Error && /max_payload/i.test(error.message);
}

const messageTooLarge = 10_054;

/** Nobody listens on the subject: the store was wiped, or the stream deleted. */
function isUnheard(error: unknown): boolean {
  return error instanceof Error && error.name === "JetStreamNotEnabled";
}

async function makeStream(broker: Broker, name: string): Promise<void> {
  if (broker.streams.has(name)) await ensureStream(broker, name).catch(() => {});
}
