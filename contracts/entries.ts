// Lists in YAML that people keep beside the contracts: entries with the same few fields, all texts,
// none of them empty. What is wrong is told with its line.

import { isMap, isScalar, isSeq, LineCounter, parseDocument, type YAMLMap } from "yaml";

export type Entry<K extends string> = Readonly<Record<K, string>> & {
  /** From 1. */
  readonly line: number;
};

export type EntryProblem = { readonly line: number; readonly problem: string };

export type Entries<K extends string> = {
  readonly entries: readonly Entry<K>[];
  readonly problems: readonly EntryProblem[];
};

export function readEntries<K extends string>(text: string, keys: readonly K[]): Entries<K> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, maxAliasCount: 0 } as object);
  const lineAt = (offset = 0) => lines.linePos(offset).line;
  const problems: EntryProblem[] = document.errors.map(({ message, pos }) => {
    return { line: lineAt(pos[0]), problem: message.split("\n")[0] ?? message };
  });
  const { contents } = document;
  if (problems.length > 0 || contents === null) return { entries: [], problems };
  if (!isSeq(contents)) return { entries: [], problems: [{ line: 1, problem: "is no list" }] };
  const entries: Entry<K>[] = [];
  for (const item of contents.items) {
    const line = lineAt((item as { range?: [number] }).range?.[0]);
    const entry = isMap(item) ? textsOf(item) : undefined;
    const problem = entry ? problemOf(entry, keys) : `is no entry with ${keys.join(", ")}`;
    if (problem !== undefined) problems.push({ line, problem });
    else entries.push({ ...entry, line } as Entry<K>);
  }
  return { entries, problems };
}

function textsOf(map: YAMLMap): Record<string, string> {
  return Object.fromEntries(
    map.items.map(({ key, value }) => [
      isScalar(key) ? String(key.value) : "",
      isScalar(value) ? String(value.value ?? "") : "",
    ]),
  );
}

function problemOf(entry: Record<string, string>, keys: readonly string[]): string | undefined {
  const strange = Object.keys(entry).filter((key) => !keys.includes(key));
  if (strange.length > 0) return `has ${strange.join(", ")}; an entry has ${keys.join(", ")}`;
  const empty = keys.filter((key) => !entry[key]);
  return empty.length > 0 ? `lacks ${empty.join(", ")}` : undefined;
}
