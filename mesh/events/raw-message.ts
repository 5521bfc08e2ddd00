// A message as a consumer got it, before anything is known about its body, and what makes it fit
// for a row: text that Postgres can hold, and the digest that tells bytes from other bytes.

import { hash } from "node:crypto";

export type Headers = readonly (readonly [name: string, value: string])[];

/**
 * The only header, with what is wrong, of a message whose own cannot be read; they are still on the
 * stream. No name that can be read holds a space.
 */
export const unreadableHeaders = "unreadable headers";

export type RawMessage = {
  readonly messageId: string;
  readonly subject: string;
  readonly stream: string;
  readonly streamSequence: bigint;
  readonly deliveryCount: number;
  readonly data: Uint8Array;
  readonly headers: Headers;
};

/** Postgres' text holds every character but one. */
export function storable(text: string): string {
  if (text.isWellFormed() && !text.includes("\0")) return text;
  return text.toWellFormed().replaceAll("\0", "\ufffd");
}

export function digestOf(data: Uint8Array): string {
  return hash("sha256", data, "hex");
}

export function headerOf(raw: Pick<RawMessage, "headers">, name: string): string | undefined {
  for (const [header, value] of raw.headers) if (header === name) return value;
  return undefined;
}
