// What differs between two versions of a course: which parts came, went, moved or
// changed. Parts are told by their ids, so a part that moves stays itself.

import assert from "node:assert/strict";

export type PartKind = "course" | "module" | "lesson" | "block";

/** A part with its own fields, without those of its children; equal fields are equal texts. */
export type Part = {
  readonly id: string;
  readonly title: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly children: readonly Part[];
};

export type DifferenceKind = "added" | "removed" | "moved" | "changed";

export type Difference = {
  readonly kind: DifferenceKind;
  readonly part: PartKind;
  readonly id: string;
  readonly title: string;
  readonly fromParent: string;
  readonly toParent: string;
  /** Of a part that is changed, sorted. */
  readonly fields: readonly string[];
};

/** Blocks of a lesson that was added or removed are part of it and not named. */
export function diffCourses(from: Part, to: Part): readonly Difference[] {
  const own = changed("course", { part: from, parent: "" }, { part: to, parent: "" });
  const modules = diffLevel("module", [from], [to]);
  const lessons = diffLevel("lesson", from.children, to.children);
  const lessonsBefore = new Map(placesOf(from.children).map(({ part }) => [part.id, part]));
  const blocks = placesOf(to.children).flatMap(({ part }) => {
    const before = lessonsBefore.get(part.id);
    return before ? diffLevel("block", [before], [part]) : [];
  });
  return [...own, ...modules, ...lessons, ...blocks];
}

type Place = { readonly part: Part; readonly parent: string };

/** The children of all of these, in their order. */
function placesOf(parents: readonly Part[]): readonly Place[] {
  return parents.flatMap(({ id, children }) => children.map((part) => ({ part, parent: id })));
}

function diffLevel(
  kind: PartKind,
  parentsBefore: readonly Part[],
  parentsAfter: readonly Part[],
): readonly Difference[] {
  const before = new Map(placesOf(parentsBefore).map((place) => [place.part.id, place]));
  const after = new Map(placesOf(parentsAfter).map((place) => [place.part.id, place]));
  const moved = movedIds(before, after);
  const here = [...after.values()].flatMap((place) => {
    const { part, parent } = place;
    const past = before.get(part.id);
    if (!past) return [difference("added", kind, part, "", parent)];
    const move = moved.has(part.id) ? [difference("moved", kind, part, past.parent, parent)] : [];
    return [...move, ...changed(kind, past, place)];
  });
  const gone = [...before.values()].filter(({ part }) => !after.has(part.id));
  const removed = gone.map(({ part, parent }) => difference("removed", kind, part, parent, ""));
  return [...here, ...removed];
}

function changed(kind: PartKind, before: Place, after: Place): readonly Difference[] {
  const names = new Set([...before.part.fields.keys(), ...after.part.fields.keys()]);
  const fields = [...names].filter(
    (name) => before.part.fields.get(name) !== after.part.fields.get(name),
  );
  if (fields.length === 0) return [];
  const { part, parent } = after;
  return [{ ...difference("changed", kind, part, before.parent, parent), fields: fields.sort() }];
}

function difference(
  kind: DifferenceKind,
  part: PartKind,
  { id, title }: Part,
  fromParent: string,
  toParent: string,
): Difference {
  return { kind, part, id, title, fromParent, toParent, fields: [] };
}

/** Other parents, and of those who stayed with theirs, as few as explain the new order. */
function movedIds(
  before: ReadonlyMap<string, Place>,
  after: ReadonlyMap<string, Place>,
): ReadonlySet<string> {
  const positions = new Map([...before.keys()].map((id, position) => [id, position]));
  const moved = new Set<string>();
  const stayed: string[] = [];
  for (const [id, { parent }] of after) {
    const past = before.get(id);
    if (past && past.parent !== parent) moved.add(id);
    if (past?.parent === parent) stayed.push(id);
  }
  const byParent = Map.groupBy(stayed, (id) => after.get(id)?.parent);
  for (const siblings of byParent.values()) {
    const order = siblings.map((id) => positions.get(id) ?? 0);
    const kept = longestRise(order);
    for (const [n, id] of siblings.entries()) if (!kept.has(n)) moved.add(id);
  }
  return moved;
}

/** Indices of a longest increasing subsequence of distinct numbers. */
function longestRise(numbers: readonly number[]): ReadonlySet<number> {
  /** Of the rises of each length, the index of the one that ends lowest. */
  const ends: number[] = [];
  const previous: number[] = [];
  for (const [n, number] of numbers.entries()) {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[ends[middle]!]! < number) low = middle + 1;
      else high = middle;
    }
    previous[n] = low > 0 ? ends[low - 1]! : -1;
    ends[low] = n;
  }
  const rise = new Set<number>();
  for (let n = ends.at(-1) ?? -1; n >= 0; n = previous[n]!) rise.add(n);
  assert.equal(rise.size, ends.length);
  return rise;
}
