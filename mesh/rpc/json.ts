// A strict JSON scanner that keeps what JSON.parse throws away: the source text
// of numbers, the order of members and members that appear twice. It accepts
// exactly what JSON.parse accepts, within a depth, and never coerces a value.

export type Json =
  | { readonly kind: "object"; readonly members: readonly JsonMember[] }
  | { readonly kind: "array"; readonly items: readonly Json[] }
  | { readonly kind: "string"; readonly value: string }
  /** The number exactly as it was written. */
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "null" };

export type JsonMember = readonly [name: string, value: Json];

export type JsonScan =
  | {
      readonly ok: true;
      readonly value: Json;
      /** Paths such as `data.items[0].id` of members that their object already had; 100 at most. */
      readonly duplicates: readonly string[];
    }
  | {
      readonly ok: false;
      readonly problem: string;
      /** Where in the text, in UTF-16 units. */
      readonly offset: number;
    };

/** The first value of that name; undefined when there is none or this is no object. */
export function jsonMember(json: Json | undefined, name: string): Json | undefined {
  if (json?.kind !== "object") return undefined;
  return json.members.find((member) => member[0] === name)?.[1];
}

export const jsonDepthMax = 64;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function scanJson(
  source: Uint8Array | string,
  { depthMax = jsonDepthMax }: { readonly depthMax?: number } = {},
): JsonScan {
  let text: string;
  try {
    text = typeof source === "string" ? source : utf8.decode(source);
  } catch {
    return { ok: false, problem: "not valid UTF-8", offset: 0 };
  }
  const scanner = new Scanner(text, depthMax);
  try {
    return { ok: true, value: scanner.document(), duplicates: scanner.duplicates };
  } catch (error) {
    if (error instanceof Malformed) {
      return { ok: false, problem: error.message, offset: error.offset };
    }
    throw error;
  }
}

class Malformed extends Error {
  readonly offset: number;

  constructor(problem: string, offset: number) {
    super(problem);
    this.offset = offset;
  }
}

const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const dot = 0x2e;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;

const jsonTrue: Json = { kind: "boolean", value: true };
const jsonFalse: Json = { kind: "boolean", value: false };
const jsonNull: Json = { kind: "null" };

/**
 * A text may be nothing but duplicates, deep inside: to name them all takes longer than to read
 * it.
 */
const duplicatesMax = 100;

/** Names of small objects are compared one by one; beyond this many a set is built. */
const namesComparedMax = 8;

class Scanner {
  readonly duplicates: string[] = [];
  readonly #text: string;
  readonly #depthMax: number;
  /** Names and indexes that lead to the value being read, for the paths of duplicates. */
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, depthMax: number) {
    this.#text = text;
    this.#depthMax = depthMax;
  }

  document(): Json {
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.#malformed("text after the value");
    return value;
  }

  /** Recursion is bounded: an object or array deeper than the depth is refused. */
  #value(): Json {
    switch (this.#skipSpace()) {
      case openBrace:
        return this.#object();
      case openBracket:
        return this.#array();
      case quote:
        return { kind: "string", value: this.#string() };
      case 0x74:
        return this.#word("true", jsonTrue);
      case 0x66:
        return this.#word("false", jsonFalse);
      case 0x6e:
        return this.#word("null", jsonNull);
      default:
        return this.#number();
    }
  }

  #object(): Json {
    this.#enter();
    const members: JsonMember[] = [];
    const names = new Names();
    this.#at += 1;
    if (this.#skipSpace() === closeBrace) return this.#leave({ kind: "object", members });
    for (;;) {
      if (this.#skipSpace() !== quote) throw this.#malformed("expected a member's name");
      const name = this.#string();
      this.#path.push(name);
      if (!names.add(name) && this.duplicates.length < duplicatesMax) {
        this.duplicates.push(pathText(this.#path));
      }
      if (this.#skipSpace() !== colon) throw this.#malformed("expected ':'");
      this.#at += 1;
      members.push([name, this.#value()]);
      this.#path.pop();
      const next = this.#skipSpace();
      if (next === closeBrace) return this.#leave({ kind: "object", members });
      if (next !== comma) throw this.#malformed("expected ',' or '}'");
      this.#at += 1;
    }
  }

  #array(): Json {
    this.#enter();
    const items: Json[] = [];
    this.#at += 1;
    if (this.#skipSpace() === closeBracket) return this.#leave({ kind: "array", items });
    for (;;) {
      this.#path.push(items.length);
      items.push(this.#value());
      this.#path.pop();
      const next = this.#skipSpace();
      if (next === closeBracket) return this.#leave({ kind: "array", items });
      if (next !== comma) throw this.#malformed("expected ',' or ']'");
      this.#at += 1;
    }
  }

  #enter(): void {
    if (this.#path.length >= this.#depthMax) {
      throw this.#malformed(`nested deeper than ${this.#depthMax} levels`);
    }
  }

  #leave(value: Json): Json {
    this.#at += 1;
    return value;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at + 1;
    for (let at = start; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      if (unit === quote) {
        this.#at = at + 1;
        return text.slice(start, at);
      }
      if (unit === backslash) return this.#escapedString(start, at);
      if (unit < 0x20) {
        this.#at = at;
        throw this.#malformed("control character in a string");
      }
    }
    this.#at = text.length;
    throw this.#malformed("string without an end");
  }

  /** From the first backslash on: finds the end, and lets JSON.parse undo the escapes. */
  #escapedString(start: number, firstEscape: number): string {
    const text = this.#text;
    let at = firstEscape;
    while (at < text.length && text.charCodeAt(at) !== quote) {
      at += text.charCodeAt(at) === backslash ? 2 : 1;
    }
    this.#at = Math.min(at, text.length);
    if (at >= text.length) throw this.#malformed("string without an end");
    try {
      const value = JSON.parse(text.slice(start - 1, at + 1)) as string;
      this.#at = at + 1;
      return value;
    } catch {
      this.#at = start;
      throw this.#malformed("malformed string");
    }
  }

  #number(): Json {
    const start = this.#at;
    if (this.#unit() === minus) this.#at += 1;
    if (this.#unit() === zero) this.#at += 1;
    else this.#digits();
    if (this.#unit() === dot) {
      this.#at += 1;
      this.#digits();
    }
    if ((this.#unit() | 0x20) === 0x65) {
      this.#at += 1;
      if (this.#unit() === minus || this.#unit() === 0x2b) this.#at += 1;
      this.#digits();
    }
    return { kind: "number", text: this.#text.slice(start, this.#at) };
  }

  #digits(): void {
    const start = this.#at;
    for (let unit = this.#unit(); unit >= zero && unit <= nine; unit = this.#unit()) this.#at += 1;
    if (this.#at === start) throw this.#malformed("expected a value");
  }

  #word(word: string, value: Json): Json {
    if (!this.#text.startsWith(word, this.#at)) throw this.#malformed("expected a value");
    this.#at += word.length;
    return value;
  }

  /** Not a number at the end of the text, which equals no character. */
  #unit(): number {
    return this.#text.charCodeAt(this.#at);
  }

  #skipSpace(): number {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return unit;
      this.#at += 1;
    }
  }

  #malformed(problem: string): Malformed {
    const ended = this.#at >= this.#text.length && problem.startsWith("expected");
    return new Malformed(ended ? `${problem}, but the text ends` : problem, this.#at);
  }
}

/** The names an object has so far. */
class Names {
  readonly #few: string[] = [];
  #many: Set<string> | undefined;

  /** False when the name was there. */
  add(name: string): boolean {
    if (this.#many) {
      const size = this.#many.size;
      return this.#many.add(name).size > size;
    }
    if (this.#few.includes(name)) return false;
    this.#few.push(name);
    if (this.#few.length > namesComparedMax) this.#many = new Set(this.#few);
    return true;
  }
}

const plainName = /^[A-Za-z_][A-Za-z0-9_]{0,99}$/;

function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (!plainName.test(part)) text += `[${JSON.stringify(part.slice(0, 100))}]`;
    else text += text === "" ? part : `.${part}`;
  }
  return text;
}
