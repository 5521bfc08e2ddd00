// Holds: money set aside on two accounts for a transaction that may follow.

import type { Books } from "./books.ts";
import type { Accepted } from "./commands.ts";
import type { AccountKey, Hold, Note, Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";

type OnHold = {
  readonly idempotencyKey: string;
  readonly holdSequence: bigint;
  readonly description: string;
};

export type HoldCommand =
  | {
      readonly kind: "create-hold";
      readonly idempotencyKey: string;
      readonly debitAccount: AccountKey;
      readonly creditAccount: AccountKey;
      readonly amountMinor: bigint;
      readonly toleranceMinor: bigint;
      /** Undefined: it never expires. */
      readonly expiration:
        | { readonly at: Time }
        | { readonly after: { readonly seconds: bigint; readonly nanos: number } }
        | undefined;
      readonly description: string;
      readonly metadata: readonly Note[];
    }
  | (OnHold & { readonly kind: "increase-hold"; readonly amountMinor: bigint })
  | (OnHold & {
      readonly kind: "capture-hold";
      /** Zero: all that is left. */
      readonly amountMinor: bigint;
      readonly final: boolean;
      readonly metadata: readonly Note[];
      readonly effectiveTime: Time | undefined;
    })
  | (OnHold & {
      readonly kind: "void-hold";
      /** Zero: all that is left. */
      readonly amountMinor: bigint;
    });

/** What is still set aside. Captures may exceed what was held, by the tolerance. */
export function remainingMinor({ status, heldMinor, capturedMinor, voidedMinor }: Hold): bigint {
  const left = heldMinor - capturedMinor - voidedMinor;
  return status === "open" && left > 0n ? left : 0n;
}

export function decideHoldCommand(_books: Books, _command: HoldCommand): Accepted | Refusal {
  throw new Error("to be written");
}
