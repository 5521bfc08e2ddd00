// Page tokens: where the next page begins, as one number, bound to the request it continues. A token
// with other arguments than those it was made for is refused, not guessed at.

import { createHash } from "node:crypto";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";

const formatVersion = 1;
const digestLength = 8;
const tokenLength = 1 + digestLength + 8;

/** Name of the method and every argument but size and token. */
export type PageFilter = readonly string[];

export function createPageToken(filter: PageFilter, after: bigint): string {
  const token = Buffer.alloc(tokenLength);
  token.writeUInt8(formatVersion);
  digest(filter).copy(token, 1);
  token.writeBigInt64BE(after, 1 + digestLength);
  return token.toString("base64url");
}

/** Undefined: the first page. */
export function readPageToken(filter: PageFilter, pageToken: string): bigint | undefined {
  if (pageToken === "") return undefined;
  const token = Buffer.from(pageToken, "base64url");
  const intact = token.length === tokenLength && token.toString("base64url") === pageToken;
  if (!intact || token[0] !== formatVersion) refuseToken("not a token of this service");
  if (!token.subarray(1, 1 + digestLength).equals(digest(filter))) {
    refuseToken("belongs to a request with other arguments");
  }
  return token.readBigInt64BE(1 + digestLength);
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
): { readonly page: readonly R[]; readonly nextPageToken: string } {
  const page = rows.slice(0, pageSize);
  const last = page.at(-1);
  const more = rows.length > pageSize && last !== undefined;
  return { page, nextPageToken: more ? createPageToken(filter, positionOf(last)) : "" };
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
