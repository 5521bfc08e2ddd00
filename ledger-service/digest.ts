// The canonical form of a request, and its digest. Two requests are the same when their canonical
// forms are: whatever codec or language they came through, in whatever order their notes were.

import { createHash } from "node:crypto";
import type { Entry, Note, Time } from "./rules/records.ts";

const formatVersion = 1;

export type PostingRequest = {
  readonly entries: readonly Entry[];
  readonly description: string;
  readonly metadata: readonly Note[];
  readonly effectiveTime: Time | undefined;
};

/** Hex of the SHA-256 of the canonical form. Entries count in the order given. */
export function digestPosting(request: PostingRequest): string {
  const { entries, description, metadata, effectiveTime } = request;
  return digest("post", [
    entries.map(({ account, side, amountMinor }) => {
      return [account.accountCode, account.assetCode, side, String(amountMinor)];
    }),
    description,
    sortedNotes(metadata).map(({ key, value }) => [key, value]),
    effectiveTime ? [String(effectiveTime.seconds), String(effectiveTime.nanos)] : [],
  ]);
}

export function digestReversal(request: { sequence: bigint; description: string }): string {
  return digest("reverse", [String(request.sequence), request.description]);
}

/** By key and then by value, compared by code point as UTF-8 bytes are. */
export function sortedNotes(metadata: readonly Note[]): Note[] {
  return metadata.toSorted((a, b) => {
    return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || compareValues(a, b);
  });
}

function compareValues(a: Note, b: Note): number {
  return Buffer.compare(Buffer.from(a.value), Buffer.from(b.value));
}

type Form = string | readonly Form[];

function digest(kind: string, parts: readonly Form[]): string {
  const form = [`bursar.ledger.request/${formatVersion}`, kind, ...parts];
  return createHash("sha256").update(canonical(form)).digest("hex");
}

/** A text is its length in bytes, a colon and itself; a list is its count in brackets and its items. */
function canonical(form: Form): string {
  if (typeof form === "string") return `${Buffer.byteLength(form)}:${form}`;
  return `[${form.length}]${form.map(canonical).join("")}`;
}
