// Reads spans from OTLP's JSON. Whatever does not look like a span is passed over: the sender may
// be newer than this.

import type { TraceSpan } from "./trace-tree.ts";

type Json = { readonly [name: string]: unknown };

export function spansOfOtlp(body: unknown): TraceSpan[] {
  return listIn(body, "resourceSpans").flatMap((resourceSpans) => {
    const resource = attributesOf(resourceSpans["resource"]);
    const service = String(resource["service.name"] ?? "unknown");
    return listIn(resourceSpans, "scopeSpans").flatMap((scopeSpans) =>
      listIn(scopeSpans, "spans").flatMap((span) => spanOf(span, service) ?? []),
    );
  });
}

function spanOf(span: Json, service: string): TraceSpan | undefined {
  const { traceId, spanId, parentSpanId, name, kind } = span;
  if (!isHex(traceId, 32) || !isHex(spanId, 16) || typeof name !== "string") return undefined;
  const startMs = msOf(span["startTimeUnixNano"]);
  const endMs = msOf(span["endTimeUnixNano"]);
  if (startMs === undefined || endMs === undefined) return undefined;
  return {
    traceId,
    spanId,
    parentSpanId: typeof parentSpanId === "string" ? parentSpanId : "",
    name: name.slice(0, 200),
    kind: typeof kind === "number" ? kind : 0,
    service: service.slice(0, 100),
    startMs,
    endMs,
    failed: (span["status"] as Json | undefined)?.["code"] === 2,
    attributes: attributesOf(span),
    links: listIn(span, "links").flatMap((link) => {
      const { traceId: linkedTraceId, spanId: linkedSpanId } = link;
      return isHex(linkedTraceId, 32) && isHex(linkedSpanId, 16)
        ? [{ traceId: linkedTraceId, spanId: linkedSpanId }]
        : [];
    }),
  };
}

function attributesOf(holder: unknown): Record<string, string | number | boolean> {
  const pairs = listIn(holder, "attributes").flatMap(({ key, value }) => {
    const [plain] = Object.values((value ?? {}) as Json);
    const isPlain = ["string", "number", "boolean"].includes(typeof plain);
    return typeof key === "string" && isPlain ? [[key, plain] as const] : [];
  });
  return Object.fromEntries(pairs) as Record<string, string | number | boolean>;
}

function listIn(holder: unknown, name: string): Json[] {
  const list = (holder as Json | null | undefined)?.[name];
  if (!Array.isArray(list)) return [];
  return list.filter((item): item is Json => typeof item === "object" && item !== null);
}

function isHex(value: unknown, length: number): value is string {
  return typeof value === "string" && value.length === length && /^[0-9a-f]+$/.test(value);
}

/** Whole milliseconds are apart from the rest: nanoseconds since 1970 are no exact number. */
function msOf(nanos: unknown): number | undefined {
  if (typeof nanos !== "string" && typeof nanos !== "number") return undefined;
  if (!/^\d{1,19}$/.test(String(nanos))) return undefined;
  const exact = BigInt(nanos);
  return Number(exact / 1_000_000n) + Number(exact % 1_000_000n) / 1_000_000;
}
