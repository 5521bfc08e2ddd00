// Page tokens: where the next page begins, bound to the list and the filter they were made for.
// With another filter they would go on in the middle of something else, so they are refused.
// Nobody signs them: what they name is looked up in the list that the request asks for.

import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "#mesh/rpc/errors.ts";

const digestLength = 8;
const numberLength = 8;

/** Of a request to list: everything that it asks for but size and token. */
export type List = { readonly digest: Buffer };

export function listOf<D extends DescMessage>(
  schema: D,
  request: MessageShape<D> & { readonly pageSize: number; readonly pageToken: string },
): List {
  const asked = toBinary(schema, { ...request, pageSize: 0, pageToken: "" });
  const digest = createHash("sha256").update(`${schema.typeName}\0`).update(asked).digest();
  return { digest: digest.subarray(0, digestLength) };
}

export function createPageToken({ digest }: List, numbers: readonly bigint[]): string {
  const token = Buffer.alloc(digestLength + numbers.length * numberLength);
  digest.copy(token);
  for (const [place, number] of numbers.entries()) {
    token.writeBigInt64BE(number, digestLength + place * numberLength);
  }
  return token.toString("base64url");
}

/** Undefined: the first page. */
export function readPageToken(list: List, text: string, count: number): bigint[] | undefined {
  if (text === "") return undefined;
  const token = Buffer.from(text, "base64url");
  const length = digestLength + count * numberLength;
  const intact = token.length === length && token.toString("base64url") === text;
  if (!intact || !token.subarray(0, digestLength).equals(list.digest)) {
    const problem = "must be next_page_token of the same list with the same filter";
    throw refuseRequest(RequestRefusal.INVALID_FIELD, `page_token ${problem}`, [
      { field: "page_token", problem },
    ]);
  }
  return Array.from({ length: count }, (_, place) => {
    return token.readBigInt64BE(digestLength + place * numberLength);
  });
}

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function pageSizeOf(asked: number): number {
  return asked === 0 ? pageSizeDefault : Math.min(asked, pageSizeMax);
}

/** From one row more than asked for, which tells whether a page follows. */
export function cutPage<R>(
  rows: readonly R[],
  size: number,
  list: List,
  positionOf: (row: R) => readonly bigint[],
) {
  const page = rows.slice(0, size);
  const last = page.at(-1);
  const more = rows.length > size && last !== undefined;
  return { page, nextPageToken: more ? createPageToken(list, positionOf(last)) : "" };
}
