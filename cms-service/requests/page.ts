// Pages of a list. A token holds where the last page ended and a digest of what
// was asked for, so a token of another list is told from one's own. It is
// opaque, not secret: all it can do is begin a list the caller may read anyway.

import { createHash } from "node:crypto";
import { refused } from "./refusal.ts";

const pageSizeDefault = 50;
const pageSizeMax = 500;

export type Page = {
  readonly size: number;
  /** Key of the last thing on the page before; undefined on the first page. */
  readonly after: string | undefined;
};

type PageRequest = { readonly pageSize: number; readonly pageToken: string };

/** `question` names the list and everything that decides what is on it. */
export function readPage({ pageSize, pageToken }: PageRequest, question: readonly string[]): Page {
  const size = Math.min(pageSize || pageSizeDefault, pageSizeMax);
  if (pageToken === "") return { size, after: undefined };
  const token = Buffer.from(pageToken, "base64url").toString("utf8");
  const after = /^([0-9a-f]{16})\.([a-z0-9_-]{1,100})$/.exec(token);
  if (after?.[1] !== digestOf(question) || tokenOf(token) !== pageToken) {
    throw refused("PAGE_TOKEN_INVALID", "page_token does not belong to this request");
  }
  return { size, after: after[2] };
}

export type Cut<T> = { readonly rows: readonly T[]; readonly nextPageToken: string };

/** Of one row more than fit on the page, those that do, and the token of the next page. */
export function cutPage<T>(
  rows: readonly T[],
  { size }: Page,
  question: readonly string[],
  keyOf: (row: T) => string,
): Cut<T> {
  const last = rows.length > size ? rows[size - 1] : undefined;
  const nextPageToken = last === undefined ? "" : tokenOf(`${digestOf(question)}.${keyOf(last)}`);
  return { rows: rows.slice(0, size), nextPageToken };
}

function tokenOf(text: string): string {
  return Buffer.from(text).toString("base64url");
}

function digestOf(question: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(question)).digest("hex").slice(0, 16);
}
