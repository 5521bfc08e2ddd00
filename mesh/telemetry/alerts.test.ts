// The alert rules, the metrics in the code and the two pages about them say the same.

import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";

type Rule = {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: { readonly severity?: string };
  readonly annotations?: { readonly summary?: string; readonly runbook?: string };
};

const { groups } = parse(readFileSync("deploy/alerts.yaml", "utf8")) as {
  groups: { name: string; rules: Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const manual = readFileSync("docs/alerts.md", "utf8");
const running = readFileSync("docs/running.md", "utf8");
const labelsOf = metricsInCode();

test("every alert says what is wrong, how urgent it is, and where it is explained", () => {
  const names = alerts.map(({ alert }) => alert ?? "");
  expect(new Set(names).size).toBe(names.length);
  const headings = [...manual.matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  expect([...names].sort()).toEqual([...headings].sort());
  for (const { alert = "", labels, annotations } of alerts) {
    expect(alert).toMatch(/^Bursar[A-Z]\w+$/);
    expect(["page", "ticket"], alert).toContain(labels?.severity);
    expect(annotations?.summary, alert).toMatch(/\S/);
    expect(annotations?.runbook).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
  }
});

test("every metric that a rule names is measured, and has the labels it asks for", () => {
  const wrong = rules.flatMap(({ expr }) =>
    metricsOf(expr).flatMap(({ metric, labels }) => {
      const known = labelsOf.get(metric);
      if (known === undefined) return [`${metric} is measured nowhere`];
      const missing = labels.filter((label) => known.length > 0 && !known.includes(label));
      return missing.map((label) => `${metric} has no label ${label}`);
    }),
  );
  expect(wrong).toEqual([]);
});

test("every alarm in docs/running.md has a rule", () => {
  const ruled = new Set(rules.flatMap(({ expr }) => metricsOf(expr).map(({ metric }) => metric)));
  const rows = running.split("\n").filter((line) => /^\| `bursar_/.test(line));
  expect(rows.length).toBeGreaterThan(20);
  const silent = rows.flatMap((row) => {
    const [, names = "", , alarm = ""] = row.split("|");
    if (/^\s*no alarm/.test(alarm)) return [];
    const metrics = [...names.matchAll(/`(bursar_[a-z_]+)`/g)].map((match) => match[1] ?? "");
    return metrics.filter((metric) => !ruled.has(metric));
  });
  expect(silent).toEqual([]);
});

// Not a parser: what a slip of the hand leaves behind.
test("expressions are whole, and call only functions that there are", () => {
  const functions = /^(sum|max|min|avg|count|rate|increase|delta|deriv|label_replace|time)$/;
  const others =
    /^(histogram_quantile|min_over_time|max_over_time|by|on|group_left|and|or|unless)$/;
  for (const { expr } of rules) {
    const bare = expr.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""');
    for (const [open, close] of ["()", "[]", "{}"].map((pair) => [...pair])) {
      expect(bare.split(open!).length, expr).toBe(bare.split(close!).length);
    }
    const called = [...bare.matchAll(/([a-z_]+)\s*\(/g)].map((match) => match[1] ?? "");
    expect(called.filter((name) => !functions.test(name) && !others.test(name))).toEqual([]);
    const ranges = [...bare.matchAll(/\[([^\]]*)\]/g)].map((match) => match[1]);
    for (const range of ranges) expect(range, expr).toMatch(/^\d+[smhd]$/);
    expect(bare).not.toMatch(/\b(rate|increase|delta|deriv)\([a-z_]+(\{[^}]*\})?\)/);
  }
});

/** Metrics of ours, with the labels that are matched on them. */
function metricsOf(expr: string): { metric: string; labels: string[] }[] {
  return [...expr.matchAll(/\b(bursar_[a-z_]+)(\{[^}]*\})?/g)].map(
    ([, name = "", matchers = ""]) => {
      const labels = [...matchers.matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)\s*"/g)];
      return {
        metric: labelsOf.has(name) ? name : name.replace(/_(bucket|count|sum)$/, ""),
        labels: labels.map((match) => match[1] ?? ""),
      };
    },
  );
}

/** Labels by the name of the metric; none where they are not written beside it. */
function metricsInCode(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const path of globSync("{mesh,*-service,webhook-gateway}/**/*.ts")) {
    if (path.endsWith(".test.ts")) continue;
    const text = readFileSync(path, "utf8");
    const named = /name: "(bursar_[a-z_]+)",\s*help:[^}]*?(?:labels: \[([^\]]*)\]|\})/g;
    for (const [, name = "", labels = ""] of text.matchAll(named)) {
      found.set(
        name,
        [...labels.matchAll(/"([a-z_]+)"/g)].map((match) => match[1] ?? ""),
      );
    }
  }
  return found;
}
