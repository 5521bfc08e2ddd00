// Suspense: where an entry of a provider's fact stands that could not be written where it belongs,
// until somebody releases it.

import type { Books } from "./books.ts";
import type { Accepted } from "./commands.ts";
import type { AccountKey, EntryName, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type Release = {
  readonly kind: "release-suspense";
  readonly idempotencyKey: string;
  readonly entry: EntryName;
  /** Undefined: where it belongs. */
  readonly account: AccountKey | undefined;
  readonly description: string;
  readonly effectiveTime: Time | undefined;
};

export function decideRelease(_books: Books, _command: Release): Accepted | Refusal {
  throw new Error("to be written");
}
