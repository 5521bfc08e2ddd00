// Reads a provider's JSON strictly: numbers are the text that was sent, nothing
// is coerced, and whatever is not what the provider documents is named by its
// path together with what stood there.

import { fromJson } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { type Json, jsonMember } from "#mesh/rpc/json.ts";
import { malformed, refused, Unreadable } from "./outcome.ts";
import { scanBody, tooLarge } from "./scan-body.ts";

/** The largest amount that every JSON parser on the way writes exactly. */
const amountMax = BigInt(Number.MAX_SAFE_INTEGER);
const textMax = 255;

/** The root object of a body. */
export function readPayload(body: Uint8Array): Payload {
  const scan = scanBody(body);
  if (!scan.ok && scan.problem === tooLarge) throw malformed(`the body is ${tooLarge}`);
  if (!scan.ok) throw malformed(`the body is not JSON: ${scan.problem} at offset ${scan.offset}`);
  const [duplicate] = scan.duplicates;
  if (duplicate !== undefined) throw malformed(`the body names ${shown(duplicate)} twice`);
  if (scan.value.kind !== "object") throw malformed("the body is not a JSON object");
  return new Payload(scan.value, "");
}

/** One object of a payload. Members that are null count as absent. */
export class Payload {
  readonly #json: Json;
  readonly #path: string;

  constructor(json: Json, path: string) {
    this.#json = json;
    this.#path = path;
  }

  pathOf(name: string): string {
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  object(name: string): Payload {
    return this.optionalObject(name) ?? this.#missing(name);
  }

  optionalObject(name: string): Payload | undefined {
    const value = this.#member(name);
    if (value === undefined) return undefined;
    if (value.kind !== "object") throw this.#mistyped(name, "an object", value);
    return new Payload(value, this.pathOf(name));
  }

  /** Nothing when there is something else: for what must never stop money. */
  objectIfAny(name: string): Payload | undefined {
    const value = this.#member(name);
    return value?.kind === "object" ? new Payload(value, this.pathOf(name)) : undefined;
  }

  text(name: string): string {
    return this.optionalText(name) ?? this.#missing(name);
  }

  optionalText(name: string): string | undefined {
    const value = this.#member(name);
    if (value === undefined) return undefined;
    if (value.kind !== "string" || !isPlainText(value.value) || value.value.length > textMax) {
      throw this.#mistyped(name, `text of up to ${textMax} characters`, value);
    }
    return value.value;
  }

  /** The text, or nothing when there is something else: for what must never stop money. */
  textIfAny(name: string, lengthMax: number): string {
    const value = this.#member(name);
    if (value?.kind !== "string" || !isPlainText(value.value)) return "";
    // Characters are counted as the ledger counts them, of what may be that short at all.
    if (value.value.length > 2 * lengthMax) return "";
    return [...value.value].length <= lengthMax ? value.value : "";
  }

  /**
   * A remark for people, cut and cleaned until it can be kept, or nothing when there is something
   * else: for what must never stop money. Never for ids: a shorter one names another thing.
   */
  remarkIfAny(name: string): string {
    const value = this.#member(name);
    if (value?.kind !== "string") return "";
    const clean = value.value
      .toWellFormed()
      .replaceAll(/\p{Cc}+/gu, " ")
      .trim();
    return [...clean.slice(0, 2 * textMax)].slice(0, textMax).join("");
  }

  flag(name: string): boolean {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    if (value.kind !== "boolean") throw this.#mistyped(name, "true or false", value);
    return value.value;
  }

  /** A plain whole number of minor units, zero or more. */
  amount(name: string): bigint {
    const value = jsonMember(this.#json, name);
    if (value === undefined) return this.#missing(name);
    const exact = value.kind === "number" && /^-?(0|[1-9][0-9]{0,15})$/.test(value.text);
    const amount = exact ? BigInt(value.text) : undefined;
    if (amount === undefined || amount > amountMax || amount < -amountMax) {
      const detail = this.#mistyped(name, `a plain whole number within ±${amountMax}`, value);
      throw new Unreadable(DeadLetterReason.AMOUNT_NOT_EXACT, detail.message);
    }
    if (amount < 0n) throw refused(`${this.pathOf(name)} is negative: ${amount}`);
    return amount;
  }

  /** Minor units that a provider writes as text, such as `"4900"`: plain digits, zero or more. */
  amountText(name: string): bigint {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    const written = value.kind === "string" ? value.value : "";
    const amount = /^-?(0|[1-9][0-9]{0,15})$/.test(written) ? BigInt(written) : undefined;
    if (amount === undefined || amount > amountMax || amount < -amountMax) {
      const detail = this.#mistyped(name, `a plain whole number within ±${amountMax}`, value);
      throw new Unreadable(DeadLetterReason.AMOUNT_NOT_EXACT, `${detail.message}, as text`);
    }
    if (amount < 0n) throw refused(`${this.pathOf(name)} is negative: ${amount}`);
    return amount;
  }

  /** A number as it was written, without exponent: for ids, and for amounts with decimals. */
  numberText(name: string): string {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    if (value.kind !== "number" || !/^-?[0-9]{1,20}(\.[0-9]{1,12})?$/.test(value.text)) {
      throw this.#mistyped(name, "a plain number", value);
    }
    return value.text;
  }

  /** An id that is written as a whole number of any length, exactly as it is written. */
  digits(name: string): string {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    if (value.kind === "number" && /^[1-9][0-9]{0,30}$/.test(value.text)) return value.text;
    throw this.#mistyped(name, "an id in digits", value);
  }

  /** The objects of an array; none when it is absent. */
  objects(name: string): Payload[] {
    const value = this.#member(name);
    if (value === undefined) return [];
    if (value.kind !== "array") throw this.#mistyped(name, "an array", value);
    return value.items.map((item, at) => {
      const path = `${name}[${at}]`;
      if (item.kind !== "object") throw this.#mistyped(path, "an object", item);
      return new Payload(item, this.pathOf(path));
    });
  }

  /** The objects of an array, and nothing of what else is there: for what must never stop money. */
  objectsIfAny(name: string): Payload[] {
    const value = this.#member(name);
    if (value?.kind !== "array") return [];
    return value.items.flatMap((item, at) =>
      item.kind === "object" ? [new Payload(item, this.pathOf(`${name}[${at}]`))] : [],
    );
  }

  has(name: string): boolean {
    return this.#member(name) !== undefined;
  }

  unixTime(name: string): Timestamp {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    if (value.kind !== "number" || !/^[0-9]{1,11}$/.test(value.text)) {
      throw this.#mistyped(name, "unix seconds", value);
    }
    return timestampFromMs(Number(value.text) * 1000);
  }

  /** An RFC 3339 time. */
  time(name: string): Timestamp {
    const value = this.#member(name);
    if (value === undefined) return this.#missing(name);
    const time = value.kind === "string" ? timeOf(value.value) : undefined;
    if (time === undefined) throw this.#mistyped(name, "an RFC 3339 time", value);
    return time;
  }

  #member(name: string): Json | undefined {
    const value = jsonMember(this.#json, name);
    return value?.kind === "null" ? undefined : value;
  }

  #missing(name: string): never {
    throw malformed(`${this.pathOf(name)} is missing`);
  }

  #mistyped(name: string, expected: string, value: Json): Unreadable {
    return malformed(`${this.pathOf(name)} must be ${expected}, got ${shownValue(value)}`);
  }
}

const control = /\p{Cc}/u;

/** Text that a database and a terminal can hold. */
function isPlainText(text: string): boolean {
  return text.isWellFormed() && !control.test(text);
}

function timeOf(text: string): Timestamp | undefined {
  // The decoder reads 30 February as 2 March.
  const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)T/.exec(text) ?? [];
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  if (day === undefined || Number(day) > lastDay) return undefined;
  try {
    return fromJson(TimestampSchema, text);
  } catch {
    return undefined;
  }
}

function shownValue(value: Json): string {
  if (value.kind === "number") return shorten(value.text);
  if (value.kind === "string") return shown(value.value);
  if (value.kind === "boolean") return String(value.value);
  return value.kind === "null" ? "null" : `an ${value.kind}`;
}

/** Quoted and short, so that a payload cannot write into logs what it likes. */
export function shown(text: string): string {
  return JSON.stringify(shorten(text));
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
