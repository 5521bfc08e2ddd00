// A caller's transaction: the posting rules with its preconditions, then it is written.

import { type Books, post } from "./books.ts";
import type { Accepted } from "./commands.ts";
import { decidePosting } from "./posting.ts";
import type { Precondition } from "./preconditions.ts";
import type { Draft } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type PostCommand = {
  readonly kind: "post";
  readonly draft: Draft;
  readonly preconditions?: readonly Precondition[];
  /** Those of a batch with the same one are posted all or none. */
  readonly linkGroup?: string;
};

export function decidePost(books: Books, command: PostCommand): Accepted | Refusal {
  const { draft, preconditions = [] } = command;
  const refusal = decidePosting(books, { ...draft, preconditions });
  if (refusal) return refusal;
  const { sequence } = post(books, draft);
  return { sequence, touched: draft.entries.map(({ account }) => account) };
}
