// Prerequisites must lead somewhere: a thing that needs itself first, be it through others, could
// never be opened.

export type Need = { readonly id: string; readonly needs: readonly string[] };

/** The way from the thing back to itself, both ends included; undefined where there is none. */
export function cycleFrom(start: string, all: readonly Need[]): readonly string[] | undefined {
  const needs = new Map(all.map((one) => [one.id, one.needs]));
  const cameFrom = new Map<string, string>();
  const queue = [start];
  for (let id = queue.shift(); id !== undefined; id = queue.shift()) {
    for (const next of needs.get(id) ?? []) {
      if (next === start) return wayTo(id, cameFrom, start);
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, id);
      queue.push(next);
    }
  }
  return undefined;
}

function wayTo(
  last: string,
  cameFrom: ReadonlyMap<string, string>,
  start: string,
): readonly string[] {
  const way = [start];
  for (let id: string | undefined = last; id !== undefined && id !== start; id = cameFrom.get(id)) {
    way.unshift(id);
  }
  return [start, ...way];
}
