// Where a reconciliation goes on: a page of the ledger's, and the last payment of ours that was
// compared. Opaque to callers, and no secret.

import { refused } from "../requests/refusal.ts";

export type Position = {
  /** Of the ledger's list; empty: its first page. */
  readonly pageToken: string;
  /** Payments up to this name were compared; empty: none was. */
  readonly after: string;
};

export function readPosition(text: string, ledgerId: string): Position {
  if (text === "") return { pageToken: "", after: "" };
  const position = parse(Buffer.from(text, "base64url").toString("utf8"));
  if (position?.ledgerId === ledgerId) return position;
  throw refused("POSITION_INVALID", `position does not belong to ledger ${ledgerId}`);
}

/** Undefined: there is nothing to go on with. */
export function nextPosition(ledgerId: string, next: Position | undefined): string {
  if (next === undefined) return "";
  return Buffer.from(JSON.stringify([ledgerId, next.pageToken, next.after])).toString("base64url");
}

function parse(text: string): (Position & { readonly ledgerId: string }) | undefined {
  try {
    const parts: unknown = JSON.parse(text);
    if (!Array.isArray(parts) || parts.length !== 3) return undefined;
    if (!parts.every((part) => typeof part === "string" && !part.includes("\0"))) return undefined;
    const [ledgerId, pageToken, after] = parts as [string, string, string];
    return { ledgerId, pageToken, after };
  } catch {
    return undefined;
  }
}
