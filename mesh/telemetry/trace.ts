// Spans: what a process does on behalf of a trace, and the W3C context that carries the trace on,
// over RPC headers, event headers and rows. Without an exporter a span is two random numbers.

import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";

export type SpanKind = "server" | "client" | "producer" | "consumer" | "internal";

export type Attributes = Readonly<Record<string, string | number | boolean>>;

export type SpanStart = {
  /** What is done, of few values: `bursar.ledger.v1.LedgerService/PostTransaction`. */
  readonly name: string;
  readonly kind: SpanKind;
  /** W3C `traceparent` that was received; left out, the span that runs now; null: a new trace. */
  readonly parent?: string | null | undefined;
  /** Other spans that led to this one: the events of a batch. */
  readonly links?: readonly string[];
  readonly attributes?: Attributes;
};

export type Span = {
  /** W3C `traceparent` to send along: this span is the parent of what follows. */
  readonly traceparent: string;
  set(attributes: Attributes): void;
  /** Once; an error marks the span as failed. */
  end(error?: unknown): void;
};

const spans = new AsyncLocalStorage<Span>();

/** Of the span that runs now; undefined outside of any. */
export function currentTraceparent(): string | undefined {
  return spans.getStore()?.traceparent;
}

export function startSpan({ parent = currentTraceparent() }: SpanStart): Span {
  return { traceparent: nextTraceparent(parent), set() {}, end() {} };
}

/** Runs the work inside a span that ends with it. */
export async function withSpan<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
  const span = startSpan(start);
  try {
    const result = await spans.run(span, () => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end(error);
    throw error;
  }
}

const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})$/;

/** A span of its own in the received trace, or in a new one when there is none. */
export function nextTraceparent(received: string | null | undefined): string {
  const [, trace = randomBytes(16).toString("hex"), flags = "01"] =
    traceparentPattern.exec(received ?? "") ?? [];
  return `00-${trace}-${randomBytes(8).toString("hex")}-${flags}`;
}
