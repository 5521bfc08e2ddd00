// Ids of the things this service makes: 26 letters and digits after a prefix
// that names the kind.

import { createHash, randomBytes } from "node:crypto";

export type Prefix =
  | ("crs" | "mod" | "les" | "blk" | "ast")
  | ("off" | "prc" | "ord" | "grt")
  | ("att" | "crt" | "opn");

// Crockford's base 32: sorts as it counts, and leaves out letters that look like digits.
const digits = "0123456789abcdefghjkmnpqrstvwxyz";
const timeDigits = 10;
const digestDigits = 26;

/** Sorts by the time it was made; the 80 random bits behind the time cannot be guessed. */
export function newId(prefix: Prefix, now = Date.now(), random: Uint8Array = randomBytes(10)) {
  return `${prefix}_${base32(BigInt(now), timeDigits)}${base32(numberOf(random), 16)}`;
}

/** The same for the same parts, wherever and whenever it is made. */
export function derivedId(prefix: Prefix, parts: readonly string[]): string {
  const digest = createHash("sha256").update(JSON.stringify(parts)).digest();
  return `${prefix}_${base32(numberOf(digest), digestDigits)}`;
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** The last digits of the number. */
function base32(number: bigint, length: number): string {
  let text = "";
  for (let rest = number; text.length < length; rest >>= 5n) {
    text = digits.charAt(Number(rest & 31n)) + text;
  }
  return text;
}
