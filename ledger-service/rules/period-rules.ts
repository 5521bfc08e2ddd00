// Closed periods: nothing new counts before the end of the last one.

import type { Books } from "./books.ts";
import type { Accepted } from "./commands.ts";
import type { Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";

export type ClosePeriod = {
  readonly kind: "close-period";
  readonly idempotencyKey: string;
  readonly endTime: Time;
  readonly description: string;
};

export function decideClosePeriod(_books: Books, _command: ClosePeriod): Accepted | Refusal {
  throw new Error("to be written");
}
