// Page tokens: where the next page begins, as one number, bound to the request it continues. A
// token with other arguments than those it was made for is refused, not guessed at. Some hold the
// sequence that all pages look at, too. Nobody signs them: what they name is looked up in the ledger
// that the request names.

import { createHash } from "node:crypto";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";

const formatVersion = 1;
const digestLength = 8;
const numberLength = 8;

/** Name of the method and every argument but size and token. */
export type PageFilter = readonly string[];

export function createPageToken(filter: PageFilter, after: bigint): string {
  return createToken(filter, [after]);
}

/** Undefined: the first page. */
export function readPageToken(filter: PageFilter, pageToken: string): bigint | undefined {
  return readToken(filter, pageToken, 1)?.[0];
}

/** Where a page begins, and the sequence that all pages look at. */
export type Pinned = { readonly after: bigint; readonly sequence: bigint };

export function createPinnedToken(filter: PageFilter, { after, sequence }: Pinned): string {
  return createToken(filter, [after, sequence]);
}

/** Undefined: the first page. */
export function readPinnedToken(filter: PageFilter, pageToken: string): Pinned | undefined {
  const [after, sequence] = readToken(filter, pageToken, 2) ?? [];
  return after === undefined || sequence === undefined ? undefined : { after, sequence };
}

function createToken(filter: PageFilter, numbers: readonly bigint[]): string {
  const token = Buffer.alloc(1 + digestLength + numbers.length * numberLength);
  token.writeUInt8(formatVersion);
  digest(filter).copy(token, 1);
  for (const [place, number] of numbers.entries()) {
    token.writeBigInt64BE(number, 1 + digestLength + place * numberLength);
  }
  return token.toString("base64url");
}

function readToken(filter: PageFilter, text: string, count: number): bigint[] | undefined {
  if (text === "") return undefined;
  const token = Buffer.from(text, "base64url");
  const length = 1 + digestLength + count * numberLength;
  const intact = token.length === length && token.toString("base64url") === text;
  if (!intact || token[0] !== formatVersion) refuseToken("not a token of this service");
  if (!token.subarray(1, 1 + digestLength).equals(digest(filter))) {
    refuseToken("belongs to a request with other arguments");
  }
  return Array.from({ length: count }, (_, place) => {
    return token.readBigInt64BE(1 + digestLength + place * numberLength);
  });
}

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function pageSizeOf(pageSize: number): number {
  return pageSize === 0 ? pageSizeDefault : Math.min(pageSize, pageSizeMax);
}

/** Reads one row more than asked for, to know whether a page follows. */
export function cutPage<R>(
  rows: readonly R[],
  pageSize: number,
  filter: PageFilter,
  positionOf: (row: R) => bigint,
): Page<R> {
  return cut(rows, pageSize, (last) => createPageToken(filter, positionOf(last)));
}

export function cutPinnedPage<R>(
  rows: readonly R[],
  pageSize: number,
  filter: PageFilter,
  positionOf: (row: R) => Pinned,
): Page<R> {
  return cut(rows, pageSize, (last) => createPinnedToken(filter, positionOf(last)));
}

export type Page<R> = { readonly page: readonly R[]; readonly nextPageToken: string };

function cut<R>(rows: readonly R[], pageSize: number, tokenAfter: (last: R) => string): Page<R> {
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { page, nextPageToken: more ? tokenAfter(last) : "" };
}

function digest(filter: PageFilter): Buffer {
  const text = JSON.stringify(filter);
  return createHash("sha256").update(text).digest().subarray(0, digestLength);
}

function refuseToken(problem: string): never {
  throw refuseRequest(RequestRefusal.INVALID_FIELD, `page_token: ${problem}`, [
    { field: "page_token", problem },
  ]);
}
