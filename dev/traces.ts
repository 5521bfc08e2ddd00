// A small collector for one developer: it takes spans by OTLP over HTTP on loopback, keeps the
// latest traces in memory, says each one as a tree once nothing more comes for it, and shows them
// on a page.

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createGunzip } from "node:zlib";
import { spansOfOtlp } from "./otlp.ts";
import { printedTree, summaryOf, type TraceSpan } from "./trace-tree.ts";

export type Traces = AsyncDisposable & {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`; a browser finds the page there. */
  readonly url: string;
  /** Latest last. */
  all(): readonly (readonly TraceSpan[])[];
};

export type TracesOptions = {
  /** Told every trace as a tree; left out, nobody is. */
  readonly say?: (tree: string) => void;
  /** Zero: any free port. */
  readonly port?: number;
};

const tracesMax = 500;
const spansMax = 1_000;
const spansOfAllMax = 20_000;
const bodyBytesMax = 16 * 1024 ** 2;
/** Senders hold spans back for half a second. */
const quietMs = 1_500;
const lookMs = 250;
/** Under load nobody reads every tree. */
const saidAtOnceMax = 3;

type Kept = { readonly spans: TraceSpan[]; changedAt: number; said: boolean };

export async function openTraces({ say, port = 0 }: TracesOptions = {}): Promise<Traces> {
  const kept = new Map<string, Kept>();
  const server = createServer((request, response) => {
    answer(kept, request, response).catch(() => response.destroy());
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const timer = say && setInterval(() => sayFinished(kept, say), lookMs).unref();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    all: () => [...kept.values()].map(({ spans }) => spans),
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(
  kept: Map<string, Kept>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A page of somebody else's, led to this address by its own name server, reads nothing here.
  if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? "")) {
    response.writeHead(403).end();
    return;
  }
  const path = request.url?.split("?", 1)[0] ?? "";
  if (request.method === "POST" && path === "/v1/traces") {
    const isJson = request.headers["content-type"]?.startsWith("application/json");
    const body = isJson ? await readJson(request) : undefined;
    if (body === undefined) {
      response.writeHead(isJson ? 400 : 415).end();
      return;
    }
    keep(kept, spansOfOtlp(body));
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  } else if (request.method === "GET" && path === "/") {
    const html = { "content-type": "text/html; charset=utf-8" };
    response.writeHead(200, html).end(pageOf(kept));
  } else if (request.method === "GET" && path === "/traces.json") {
    const traces = [...kept].map(([traceId, { spans }]) => {
      return { traceId, ...summaryOf(spans), spans };
    });
    const json = { "content-type": "application/json" };
    response.writeHead(200, json).end(JSON.stringify({ traces: traces.reverse() }));
  } else response.writeHead(404).end();
}

/** Undefined for what is too much or no JSON. */
async function readJson(request: IncomingMessage): Promise<unknown> {
  const isZipped = request.headers["content-encoding"] === "gzip";
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of isZipped ? request.pipe(createGunzip()) : request) {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) return undefined;
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    return undefined;
  }
}

function keep(kept: Map<string, Kept>, spans: readonly TraceSpan[]): void {
  for (const span of spans) {
    const trace = kept.get(span.traceId) ?? { spans: [], changedAt: 0, said: false };
    kept.set(span.traceId, trace);
    if (trace.spans.length < spansMax) trace.spans.push(span);
    trace.changedAt = performance.now();
    trace.said = false;
  }
  let count = kept.values().reduce((sum, trace) => sum + trace.spans.length, 0);
  for (const [oldest, trace] of kept) {
    if (kept.size <= tracesMax && count <= spansOfAllMax) return;
    kept.delete(oldest);
    count -= trace.spans.length;
  }
}

function sayFinished(kept: Map<string, Kept>, say: (tree: string) => void): void {
  const now = performance.now();
  const finished = [...kept.values()].filter(
    ({ said, changedAt }) => !said && now - changedAt > quietMs,
  );
  for (const [n, trace] of finished.entries()) {
    trace.said = true;
    if (n < saidAtOnceMax) say(printedTree(trace.spans, true));
  }
  const unsaid = finished.length - saidAtOnceMax;
  if (unsaid > 0) say(`… and ${unsaid} more traces, see the page`);
}

const shownMax = 100;

function pageOf(kept: Map<string, Kept>): string {
  const trees = [...kept.values()]
    .slice(-shownMax)
    .reverse()
    .map(({ spans }) => `<pre>${escaped(printedTree(spans))}</pre>`);
  const style = "body{font-family:sans-serif}pre{border-top:1px solid #ccc;padding-top:1em}";
  return `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<title>Traces</title><style>${style}</style><h1>Traces</h1>
<p>The latest ${trees.length}, newest first. <a href="/traces.json">As JSON</a></p>
${trees.join("\n")}\n`;
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
