// A caller's transaction: its preconditions, then the posting rules, then it is written.

import { type Books, post } from "./books.ts";
import type { Accepted } from "./commands.ts";
import { decidePosting } from "./posting.ts";
import type { Draft } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type PostCommand = { readonly kind: "post"; readonly draft: Draft };

export function decidePost(books: Books, { draft }: PostCommand): Accepted | Refusal {
  const refusal = decidePosting(books, draft);
  if (refusal) return refusal;
  const { sequence } = post(books, draft);
  return { sequence, touched: draft.entries.map(({ account }) => account) };
}
