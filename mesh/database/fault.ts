// Tells the failures of the world from the database's verdict on what it was asked. A fault may
// pass, so the same work is tried again later; a rejection would be the same every time.

import { DatabaseError } from "pg";
import { isStalePlan } from "./connection.ts";

/** Classes and codes of SQLSTATE that say nothing about the statement or its data. */
const faultStates = [
  /^08/, // connection exception
  /^53/, // out of disk, memory or connections
  /^57P0/, // shutdown, crash, starting up, terminated
  /^57014$/, // statement timeout
  /^55P03$/, // lock timeout
  /^40(001|P01)$/, // serialization failure or deadlock that outlasted its retries
  /^25006$/, // read only: connected to a standby
  /^25P0[23]$/, // idle in transaction too long: the session is gone
  /^28/, // login refused
  /^3[DF]000$/, // database or schema missing
  /^42/, // table, column, function or grant missing: another release's schema, or a broken one
  /^0A000$/, // a plan that no longer fits its tables
  /^58/, // I/O error under the database
  /^XX/, // internal error, corruption
];

const faultCodes = new Set([
  "BROKER_ABSENT",
  "CONNECTION_LOST",
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EPIPE",
  "ETIMEDOUT",
  "NOT_DURABLE",
]);

/** Names of errors of the broker's client. */
const faultNames = new Set([
  "ClosedConnectionError",
  "ConnectionError",
  "DrainingConnectionError",
  "JetStreamNotEnabled",
  "NoResponders",
  "RequestError",
  "TimeoutError",
]);

const causesMax = 8;

/** The world failed, not the request: try the same again later. Looks through `cause`. */
export function isFault(error: unknown): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < causesMax && current instanceof Error; depth++) {
    if (isFaultItself(current)) return true;
    current = current.cause;
  }
  return false;
}

/** The database refuses the statement or its data, and would every time. */
export function isRejection(error: unknown): boolean {
  return error instanceof DatabaseError && !isFault(error);
}

/** The statement ran out of time: less work at once may fit. */
export function isTimeout(error: unknown): boolean {
  return stateOf(error) === "57014";
}

/** Another SQL transaction was in the way; the same again may pass at once. */
export function isCollision(error: unknown): boolean {
  const state = stateOf(error);
  return state === "40001" || state === "40P01";
}

function isFaultItself(error: Error): boolean {
  const state = stateOf(error);
  if (isStalePlan(error)) return true;
  if (state !== undefined) return faultStates.some((pattern) => pattern.test(state));
  const { code } = error as { code?: unknown };
  return (typeof code === "string" && faultCodes.has(code)) || faultNames.has(error.name);
}

function stateOf(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}
