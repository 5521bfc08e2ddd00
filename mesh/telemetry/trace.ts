// Spans: what a process does on behalf of a trace, and the W3C context that carries the trace on,
// over RPC headers, event headers and rows. Where nobody records them a span is two random numbers.

import { AsyncLocalStorage } from "node:async_hooks";
import { createSampler, type Sampler } from "./sampler.ts";
import {
  newSpanId,
  newTraceId,
  readTraceparent,
  type TraceContext,
  writeTraceparent,
} from "./trace-context.ts";

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
  /** Names, numbers and states; nothing about a person, no text from outside. */
  readonly attributes?: Attributes;
  /** Carried on like any other, and not recorded: nobody asks for it later. */
  readonly unrecorded?: boolean;
};

export type Span = {
  /** W3C `traceparent` to send along: this span is the parent of what follows. */
  readonly traceparent: string;
  readonly traceId: string;
  readonly spanId: string;
  /** False when the trace is not sampled, or nobody records spans here. */
  readonly recorded: boolean;
  set(attributes: Attributes): void;
  /** Once; an error marks the span as failed. Only its kind is recorded: messages may tell more. */
  end(error?: unknown): void;
};

const spans = new AsyncLocalStorage<Span | undefined>();

export function currentSpan(): Span | undefined {
  return spans.getStore();
}

/** Of the span that runs now; undefined outside of any. */
export function currentTraceparent(): string | undefined {
  return spans.getStore()?.traceparent;
}

/** The work, what it calls and what it logs belong to the span, which its owner ends. */
export function inSpan<T>(span: Span | undefined, work: () => T): T {
  return spans.run(span, work);
}

/** For what a call sets going but others share: a queue's worker, a connection. */
export function outsideSpans<T>(work: () => T): T {
  return spans.run(undefined, work);
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

/** A span that its caller ends. */
export function startSpan(start: SpanStart): Span {
  const parent = parentOf(start.parent);
  const traceId = parent?.traceId ?? newTraceId();
  const sampled = recording.sampler(traceId, parent?.sampled);
  const context = { traceId, spanId: newSpanId(), sampled };
  const { record } = recording;
  if (!sampled || record === undefined || start.unrecorded) return unrecordedSpan(context);
  return recordedSpan(start, context, parent, record);
}

/** A span that has ended, as it is exported. */
export type FinishedSpan = TraceContext & {
  readonly name: string;
  readonly kind: SpanKind;
  readonly parent: ParentContext | undefined;
  readonly links: readonly TraceContext[];
  readonly attributes: Attributes;
  /** Milliseconds of the Unix epoch. */
  readonly startMs: number;
  readonly endMs: number;
  /** Kind of the error; undefined for a span that succeeded. */
  readonly errorType: string | undefined;
};

export type ParentContext = TraceContext & {
  /** It came from another process. */
  readonly remote: boolean;
};

type Recording = {
  readonly sampler: Sampler;
  readonly record: ((span: FinishedSpan) => void) | undefined;
};

// A trace that begins where nobody records is marked as sampled: those it reaches may record it.
const nobody: Recording = { sampler: createSampler("parentbased_always_on", 1), record: undefined };
let recording = nobody;

/** Spans are recorded from now on, until the returned function is called. One recorder only. */
export function recordSpans(options: Recording): () => void {
  recording = options;
  return () => {
    if (recording === options) recording = nobody;
  };
}

function parentOf(parent: string | null | undefined): ParentContext | undefined {
  if (parent === null) return undefined;
  if (parent !== undefined) {
    const received = readTraceparent(parent);
    return received && { ...received, remote: true };
  }
  const current = spans.getStore();
  if (current === undefined) return undefined;
  const { traceId, spanId, traceparent } = current;
  return { traceId, spanId, sampled: traceparent.endsWith("1"), remote: false };
}

function unrecordedSpan(context: TraceContext): Span {
  const { traceId, spanId } = context;
  const traceparent = writeTraceparent(context);
  return { traceparent, traceId, spanId, recorded: false, set: nothing, end: nothing };
}

function nothing(): void {}

const linksMax = 128;

function recordedSpan(
  start: SpanStart,
  context: TraceContext,
  parent: ParentContext | undefined,
  record: (span: FinishedSpan) => void,
): Span {
  const { traceId, spanId } = context;
  const { name, kind, links = [] } = start;
  const startMs = nowMs();
  const attributes: Record<string, string | number | boolean> = { ...start.attributes };
  let ended = false;
  return {
    traceparent: writeTraceparent(context),
    traceId,
    spanId,
    recorded: true,
    set(more) {
      if (!ended) Object.assign(attributes, more);
    },
    end(error) {
      if (ended) return;
      ended = true;
      record({
        ...context,
        name,
        kind,
        parent,
        links: links.slice(0, linksMax).flatMap((link) => readTraceparent(link) ?? []),
        attributes,
        startMs,
        endMs: nowMs(),
        errorType: error === undefined ? undefined : errorTypeOf(error),
      });
    },
  };
}

function errorTypeOf(error: unknown): string {
  const { name, code } = error as { name?: unknown; code?: unknown };
  if (typeof code === "string") return code;
  return typeof name === "string" ? name : typeof error;
}

const driftMsMax = 5;
let offsetMs = performance.timeOrigin;

/** Finer than a millisecond, as spans need it, and true to the wall clock when that is moved. */
function nowMs(): number {
  const elapsedMs = performance.now();
  const wallMs = Date.now();
  if (Math.abs(wallMs - offsetMs - elapsedMs) > driftMsMax) offsetMs = wallMs - elapsedMs;
  return offsetMs + elapsedMs;
}
