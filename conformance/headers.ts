// Headers and query parameters as the conformance messages tell them.

import type { Header } from "./messages.ts";

/** Values of one name were joined on arrival; the runner takes them joined. */
export function headersOf(entries: Iterable<[string, string]>): Header[] {
  const byName = Map.groupBy(entries, ([name]) => name);
  return [...byName].map(([name, pairs]) => ({ name, value: pairs.map(([, value]) => value) }));
}
