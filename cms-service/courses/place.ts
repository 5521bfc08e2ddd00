// Where a part of a tree goes among its neighbours. It gets a rank between the two that it comes to
// stand between, and they keep theirs; only when ranks have grown long do all of them get new ones.

import { rankAfter, rankBetween } from "./rank.ts";

export type Ranked = { readonly id: string; readonly rank: string };

export type Placing =
  /** The part's new rank. */
  | { readonly kind: "placed"; readonly rank: string }
  /** New ranks for all of them, the part included. */
  | { readonly kind: "respaced"; readonly ranks: readonly Ranked[] }
  /** What it was to stand before is not there. */
  | { readonly kind: "unknown" };

const rankLengthMax = 60;

/** `siblings` in their order, with or without the part; `beforeId` empty: at the end. */
export function placeAmong(siblings: readonly Ranked[], id: string, beforeId: string): Placing {
  const others = siblings.filter((one) => one.id !== id);
  // Before itself is where it is.
  const wanted =
    beforeId === id ? (others[siblings.findIndex((one) => one.id === id)]?.id ?? "") : beforeId;
  const at = wanted === "" ? others.length : others.findIndex((one) => one.id === wanted);
  if (at === -1) return { kind: "unknown" };
  const rank = rankBetween(others[at - 1]?.rank, others[at]?.rank);
  if (rank.length <= rankLengthMax) return { kind: "placed", rank };
  let last: string | undefined;
  const ranks = others.toSpliced(at, 0, { id, rank }).map((one) => {
    last = rankAfter(last);
    return { id: one.id, rank: last };
  });
  return { kind: "respaced", ranks };
}
