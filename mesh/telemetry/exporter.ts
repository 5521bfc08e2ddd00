// Sends spans by OTLP over HTTP, in batches and from a bounded queue: a collector that is away
// costs spans, which are counted, and never a call. The only file that loads OpenTelemetry.

import { type Attributes, type HrTime, SpanKind, SpanStatusCode } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import {
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from "@opentelemetry/resources";
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { FinishedSpan, SpanKind as Kind } from "./trace.ts";
import type { TraceContext } from "./trace-context.ts";

export type ExporterOptions = {
  readonly service: string;
  /** Where OTLP over HTTP is listened to, path included. */
  readonly url: string;
  readonly log: Log;
  readonly metrics: Metrics;
};

export type Exporter = AsyncDisposable & { readonly record: (span: FinishedSpan) => void };

const queueMax = 4_096;
const batchMax = 512;
/** Short enough for a developer who watches, long enough for full batches under load. */
const delayMs = 500;
const exportTimeoutMs = 5_000;
/** For the last spans on stop; what a dead collector does not take by then is given up. */
const flushTimeoutMs = 3_000;

export function openExporter({ service, url, log, metrics }: ExporterOptions): Exporter {
  const spans = metrics.counter({
    name: "bursar_trace_spans_total",
    help: "Spans that were exported, failed to be, or found the queue full",
    labels: ["outcome"],
  });
  let queued = 0;
  const watched = watchExport(new OTLPTraceExporter({ url, timeoutMillis: exportTimeoutMs }), {
    log,
    done(count, outcome) {
      queued -= count;
      spans.inc({ outcome }, count);
    },
  });
  const processor = new BatchSpanProcessor({
    exporter: watched,
    maxQueueSize: queueMax,
    maxExportBatchSize: batchMax,
    scheduledDelayMillis: delayMs,
    exportTimeoutMillis: 2 * exportTimeoutMs,
  });
  const resource = resourceOf(service);
  return {
    record(span) {
      if (queued >= queueMax) return spans.inc({ outcome: "dropped" });
      queued += 1;
      processor.onEnd(readableSpan(span, resource));
    },
    async [Symbol.asyncDispose]() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, flushTimeoutMs);
      await Promise.race([processor.shutdown().catch(() => {}), late]);
      clearTimeout(timer);
      if (queued > 0) log.warn("spans were given up", { count: queued });
    },
  };
}

type Watch = {
  readonly log: Log;
  readonly done: (count: number, outcome: "exported" | "failed") => void;
};

/** One line when exporting begins to fail, one when it works again. */
function watchExport(inner: SpanExporter, { log, done }: Watch): SpanExporter {
  let failing = false;
  return {
    export(batch, answer) {
      inner.export(batch, (result) => {
        const failed = result.code !== 0;
        if (failed && !failing) log.warn("spans cannot be exported", { error: result.error });
        if (!failed && failing) log.info("spans are exported again");
        failing = failed;
        done(batch.length, failed ? "failed" : "exported");
        answer(result);
      });
    },
    shutdown: () => inner.shutdown(),
  };
}

/** `OTEL_RESOURCE_ATTRIBUTES` may add to it: a deployment's name, a zone. */
function resourceOf(service: string): Resource {
  const own = resourceFromAttributes({
    "service.name": service,
    "service.namespace": "bursar",
    "service.instance.id": String(process.pid),
  });
  return detectResources({ detectors: [envDetector] }).merge(own);
}

const kinds: Readonly<Record<Kind, SpanKind>> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

const instrumentationScope = { name: "bursar" };

function readableSpan(span: FinishedSpan, resource: Resource): ReadableSpan {
  const { name, kind, parent, links, startMs, endMs, errorType } = span;
  const context = spanContext(span);
  const attributes: Attributes = { ...span.attributes };
  if (errorType !== undefined) attributes["error.type"] ??= errorType;
  return {
    name,
    kind: kinds[kind],
    spanContext: () => context,
    ...(parent && { parentSpanContext: { ...spanContext(parent), isRemote: parent.remote } }),
    startTime: hrTime(startMs),
    endTime: hrTime(endMs),
    duration: hrTime(endMs - startMs),
    ended: true,
    status: { code: errorType === undefined ? SpanStatusCode.UNSET : SpanStatusCode.ERROR },
    attributes,
    links: links.map((link) => ({ context: spanContext(link) })),
    events: [],
    resource,
    instrumentationScope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

function spanContext({ traceId, spanId, sampled }: TraceContext) {
  return { traceId, spanId, traceFlags: sampled ? 1 : 0 };
}

function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1_000_000)];
}
