// How events stand in a trace. An event is encoded with the traceparent of what caused it.
// Publishing it is a span of its own, which the message carries on the wire; handling it is a span
// below that one, and what the handler publishes is caused by it. Names are OpenTelemetry's for
// messaging.

import { type Attributes, type Span, type SpanStart, startSpan } from "./trace.ts";

/** What a span tells of a message: names and ids, nothing of its content. */
export type TracedMessage = {
  /** The event's full name. */
  readonly subject: string;
  readonly stream: string;
  readonly messageId: string;
};

/**
 * From handing the event to the broker until its acknowledgement. `cause` is the traceparent the
 * event was encoded with; without one it is the span that runs. The message carries this span's.
 */
export function startPublishSpan(message: TracedMessage, cause: string | undefined): Span {
  return startSpan({
    name: `publish ${message.subject}`,
    kind: "producer",
    parent: cause,
    attributes: { ...messageAttributes(message), ...publishing },
  });
}

/**
 * From taking up the event until the COMMIT that settles it. `received` is the traceparent the
 * message carries; `links` name what set the work going beside it, such as the RPC that released
 * it.
 */
export function startProcessSpan(
  message: TracedMessage & { readonly consumer: string },
  received: string | undefined,
  links: readonly string[] = [],
): Span {
  return startSpan({
    name: `process ${message.subject}`,
    kind: "consumer",
    // A message of nobody's trace begins its own, not that of its batch.
    parent: received ?? null,
    links,
    attributes: {
      ...messageAttributes(message),
      ...processing,
      "messaging.consumer.group.name": message.consumer,
    },
  });
}

/** Many events in one SQL transaction: a trace of its own, linked to theirs. */
export function batchSpan(
  { consumer, stream }: { readonly consumer: string; readonly stream: string },
  traceparents: readonly (string | undefined)[],
): SpanStart {
  return {
    name: `process batch ${consumer}`,
    kind: "consumer",
    parent: null,
    links: traceparents.flatMap((traceparent) => traceparent ?? []),
    attributes: {
      ...processing,
      "messaging.system.name": system,
      "messaging.consumer.group.name": consumer,
      "messaging.batch.message_count": traceparents.length,
      "bursar.stream": stream,
    },
  };
}

const system = "nats";
const publishing = { "messaging.operation.name": "publish", "messaging.operation.type": "send" };
const processing = { "messaging.operation.name": "process", "messaging.operation.type": "process" };

function messageAttributes({ subject, stream, messageId }: TracedMessage): Attributes {
  return {
    "messaging.system.name": system,
    "messaging.destination.name": subject,
    "messaging.message.id": messageId,
    "bursar.stream": stream,
  };
}
