// What the journal says beside what a table says. Each difference is a sentence.

import { isDeepStrictEqual } from "node:util";

export type Report = (problem: string) => void;

export function compareMaps<K extends string | bigint>(
  what: string,
  expected: ReadonlyMap<K, unknown>,
  found: ReadonlyMap<K, unknown>,
  report: Report,
): void {
  for (const [key, value] of expected) {
    const stored = found.get(key);
    if (isDeepStrictEqual(value, stored)) continue;
    report(`${what} ${key} is ${text(stored)} in its table, but ${text(value)} by the journal`);
  }
  for (const key of found.keys()) {
    if (!expected.has(key)) report(`${what} ${key} is in its table, but not in the journal`);
  }
}

function text(value: unknown): string {
  if (value === undefined) return "missing";
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
}
