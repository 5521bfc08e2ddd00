// Finds the id and the type of an event in its verified body, in one pass over
// the top level of the JSON, without building a tree: this runs before the
// answer. Judging the JSON is the desk's work; what looks odd here is left
// unnamed, and the body's own digest identifies the webhook instead.

import type { Identity } from "./provider.ts";

const unnamed: Identity = { eventId: "", eventType: "" };
const textMax = 255;

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** Setting this bit makes a brace of a bracket, so that one comparison finds both. */
const braceBit = 0x20;

/** The string members `id` and `type` of the top-level object. A member that is there twice names nothing. */
export function identifyJson(body: Uint8Array): Identity {
  let eventId: string | undefined;
  let eventType: string | undefined;
  let at = skipSpace(body, 0);
  if (body[at] !== openBrace) return unnamed;
  at = skipSpace(body, at + 1);
  while (body[at] === quote) {
    const nameEnd = stringEnd(body, at);
    const name = text(body, at, nameEnd);
    at = skipSpace(body, nameEnd);
    if (name === undefined || body[at] !== colon) return unnamed;
    at = skipSpace(body, at + 1);
    const end = valueEnd(body, at);
    if (name === "id" || name === "type") {
      const value = text(body, at, end);
      if (value === undefined || value.length > textMax) return unnamed;
      if (name === "id") {
        if (eventId !== undefined) return unnamed;
        eventId = value;
      } else {
        if (eventType !== undefined) return unnamed;
        eventType = value;
      }
    }
    at = skipSpace(body, end);
    if (body[at] !== comma) break;
    at = skipSpace(body, at + 1);
  }
  if (body[at] !== closeBrace || skipSpace(body, at + 1) !== body.length) return unnamed;
  return { eventId: eventId ?? "", eventType: eventType ?? "" };
}

function skipSpace(body: Uint8Array, from: number): number {
  let at = from;
  for (let byte = body[at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
    at += 1;
    byte = body[at];
  }
  return at;
}

/** Just behind the closing quote; behind the end when there is none. */
function stringEnd(body: Uint8Array, from: number): number {
  for (let at = from + 1; at < body.length; at++) {
    if (body[at] === backslash) at += 1;
    else if (body[at] === quote) return at + 1;
  }
  return body.length + 1;
}

/** Just behind a value of any kind, which is not judged. */
function valueEnd(body: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < body.length; at++) {
    const byte = body[at]!;
    if (byte === quote) {
      at = stringEnd(body, at) - 1;
    } else if ((byte | braceBit) === openBrace) {
      depth += 1;
    } else if ((byte | braceBit) === closeBrace) {
      if (depth === 0) return at;
      depth -= 1;
    } else if (byte === comma && depth === 0) {
      return at;
    }
  }
  return body.length;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const control = /\p{Cc}/u;

/** The string that stands there; undefined when it is none, or no plain well-formed text. */
function text(body: Uint8Array, from: number, to: number): string | undefined {
  if (body[from] !== quote || to > body.length) return undefined;
  try {
    const value: unknown = JSON.parse(utf8.decode(body.subarray(from, to)));
    if (typeof value !== "string" || !value.isWellFormed()) return undefined;
    return control.test(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
