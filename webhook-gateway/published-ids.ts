// Ids of the payment events that a webhook becomes. Its first ones have the webhook's id and their
// place. What is made of it later by a mended release may have other bytes, and consumers take a
// known id with other bytes for a conflict: such an event gets the digest of its bytes into its id,
// so that it reaches them, and the same again is the same id.

import { hash } from "node:crypto";

/** Of an event's bytes; as long as it takes for no two ever to be alike. */
export function digestOfEvent(data: Uint8Array): string {
  return hash("sha256", data, "base64url").slice(0, 22);
}

/** Of the events of one webhook, in their order; `taken` are the digests of its first ones. */
export function idsOf(
  webhookId: string,
  digests: readonly string[],
  taken: readonly string[],
): string[] {
  return digests.map((digest, index) => {
    const id = `${webhookId}/${index + 1}`;
    const first = taken[index];
    return first === undefined || first === digest ? id : `${id}/${digest}`;
  });
}

/** With the places that these events are the first to take. */
export function takenWith(taken: readonly string[], digests: readonly string[]): string[] {
  return [...taken, ...digests.slice(taken.length)];
}
