// Pages of what operators look at: a page token is the last id that was seen, so that pages stay
// true while rows come and go.

import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { refuseRequest } from "../rpc/errors.ts";

const pageSizeDefault = 50;
const pageSizeMax = 500;

export function pageSizeOf(asked: number): number {
  return asked === 0 ? pageSizeDefault : Math.min(asked, pageSizeMax);
}

export function nextToken<R>(
  rows: readonly R[],
  size: number,
  list: string,
  idOf: (row: R) => bigint,
) {
  const last = rows[size - 1];
  return rows.length > size && last !== undefined ? `${list}.${idOf(last)}` : "";
}

export function readToken(token: string, list: string): bigint | undefined {
  if (token === "") return undefined;
  const [prefix, id = "", ...rest] = token.split(".");
  if (prefix === list && rest.length === 0 && /^[0-9]{1,18}$/.test(id)) return BigInt(id);
  throw refuseRequest(RequestRefusal.INVALID_FIELD, "page_token is not of this list", [
    {
      field: "page_token",
      problem: "must be next_page_token of the same list with the same filter",
    },
  ]);
}
