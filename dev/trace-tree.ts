// A trace as people read it: its spans as an indented tree in the order of time, each with when it
// began, how long it took, who did it, and how it failed.

import { dim, red } from "./terminal.ts";

export type TraceSpan = {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** As OTLP numbers them: 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly service: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** Traces that led to this span. */
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
};

export type TreeNode = {
  readonly span: TraceSpan;
  readonly depth: number;
};

/** Parents before their children. A span whose parent is elsewhere stands at the root. */
export function treeOf(spans: readonly TraceSpan[]): TreeNode[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const childrenOf = Map.groupBy(
    [...spans].sort((a, b) => a.startMs - b.startMs),
    ({ parentSpanId }) => (known.has(parentSpanId) ? parentSpanId : ""),
  );
  const nodes: TreeNode[] = [];
  const seen = new Set<string>();
  const visit = (parentSpanId: string, depth: number) => {
    for (const span of childrenOf.get(parentSpanId) ?? []) {
      if (seen.has(span.spanId)) continue;
      seen.add(span.spanId);
      nodes.push({ span, depth });
      visit(span.spanId, depth + 1);
    }
  };
  visit("", 0);
  return nodes;
}

export function summaryOf(spans: readonly TraceSpan[]) {
  const startMs = Math.min(...spans.map((span) => span.startMs));
  const endMs = Math.max(...spans.map((span) => span.endMs));
  const services = [...new Set(spans.map(({ service }) => service))];
  const [root] = treeOf(spans);
  return { name: root?.span.name ?? "", startMs, durationMs: endMs - startMs, services };
}

/** Plain or in a terminal's colours. */
export function printedTree(spans: readonly TraceSpan[], styled = false): string {
  const faint = styled ? dim : (text: string) => text;
  const alarming = styled ? red : (text: string) => text;
  const { startMs, durationMs, services } = summaryOf(spans);
  const head = `trace ${spans[0]?.traceId}  ${ms(durationMs)}  ${plural(spans.length, "span")}`;
  const rows = treeOf(spans).map(({ span, depth }) => {
    const name = `${"  ".repeat(depth)}${span.name}`;
    return {
      span,
      name,
      at: `+${ms(span.startMs - startMs)}`,
      took: ms(span.endMs - span.startMs),
    };
  });
  const width = (pick: (row: (typeof rows)[number]) => string) =>
    Math.max(...rows.map((row) => pick(row).length));
  const [nameWidth, serviceWidth, atWidth, tookWidth] = [
    width(({ name }) => name),
    width(({ span }) => span.service),
    width(({ at }) => at),
    width(({ took }) => took),
  ];
  const lines = rows.map(({ span, name, at, took }) => {
    const numbers = `${faint(at.padStart(atWidth))}  ${took.padStart(tookWidth)}`;
    const columns = `${name.padEnd(nameWidth)}  ${faint(span.service.padEnd(serviceWidth))}`;
    return `  ${columns}  ${numbers}${notesOf(span, alarming)}`;
  });
  return [`${head}, ${plural(services.length, "service")}`, ...lines].join("\n");
}

function notesOf(span: TraceSpan, alarming: (text: string) => string): string {
  const failure = span.failed ? [alarming(`failed: ${span.attributes["error.type"] ?? "?"}`)] : [];
  const outcome = span.attributes["bursar.outcome"];
  const told = outcome === undefined || outcome === "handled" ? [] : [String(outcome)];
  const others = span.links.filter(({ traceId }) => traceId !== span.traceId).length;
  const linked = others === 0 ? [] : [`linked to ${plural(others, "other span")}`];
  const notes = [...failure, ...told, ...linked];
  return notes.length === 0 ? "" : `  ${notes.join(", ")}`;
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
