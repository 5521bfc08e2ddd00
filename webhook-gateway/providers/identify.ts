// Finds the id and the type of an event in its verified body, in one pass over
// the JSON, without building a tree: this runs before the
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

/** Where id and type stand: paths of member names from the root, at most one each. */
export type Names = { readonly id?: readonly string[]; readonly type?: readonly string[] };

const idAndType: Names = { id: ["id"], type: ["type"] };

/**
 * The strings that stand at these paths, `id` and `type` of the top-level object unless told
 * otherwise. A member on the way that is there twice names nothing.
 */
export function identifyJson(body: Uint8Array, names: Names = idAndType): Identity {
  const found: { id?: string; type?: string } = {};
  const start = skipSpace(body, 0);
  const end = body[start] === openBrace ? readObject(body, start, names, 0, found) : undefined;
  if (end === undefined || skipSpace(body, end) !== body.length) return unnamed;
  return { eventId: found.id ?? "", eventType: found.type ?? "" };
}

/** Reads one object, and those in it that a path leads into. Undefined when it names nothing. */
function readObject(
  body: Uint8Array,
  from: number,
  names: Names,
  depth: number,
  found: { id?: string; type?: string },
): number | undefined {
  const seen = new Set<string>();
  let at = skipSpace(body, from + 1);
  while (body[at] === quote) {
    const nameEnd = stringEnd(body, at);
    const name = text(body, at, nameEnd);
    at = skipSpace(body, nameEnd);
    if (name === undefined || body[at] !== colon) return undefined;
    at = skipSpace(body, at + 1);
    const inId = names.id?.[depth] === name;
    const inType = names.type?.[depth] === name;
    let end: number | undefined;
    if (!inId && !inType) {
      end = valueEnd(body, at);
    } else {
      if (seen.has(name)) return undefined;
      seen.add(name);
      const isId = inId && names.id?.length === depth + 1;
      if (isId || (inType && names.type?.length === depth + 1)) {
        end = valueEnd(body, at);
        const value = text(body, at, end);
        if (value === undefined || value.length > textMax) return undefined;
        found[isId ? "id" : "type"] = value;
      } else {
        const within = { ...(inId && { id: names.id! }), ...(inType && { type: names.type! }) };
        end =
          body[at] === openBrace
            ? readObject(body, at, within, depth + 1, found)
            : valueEnd(body, at);
      }
    }
    if (end === undefined) return undefined;
    at = skipSpace(body, end);
    if (body[at] !== comma) break;
    at = skipSpace(body, at + 1);
  }
  return body[at] === closeBrace ? at + 1 : undefined;
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
