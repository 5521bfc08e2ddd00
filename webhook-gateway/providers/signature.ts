// What every signature scheme here is made of: HMACs over bytes, strict
// decoding, comparison in constant time, and times that must be near now.

import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { type Key, type Rejected, rejected, type Trust, type Verified } from "./provider.ts";

export type HmacHash = "sha256" | "sha512" | "sha1";

/** Least bytes of a key: shorter ones can be guessed. */
export const keyBytesMin = 16;

/** Most signatures read from one header. Providers send two while a secret is rotated. */
export const signaturesMax = 16;

export function hmac(
  hash: HmacHash,
  key: Uint8Array,
  parts: readonly (Uint8Array | string)[],
): Buffer {
  const mac = createHmac(hash, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

export function fingerprintOf(key: Uint8Array): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 16);
}

/**
 * Tries every key on every signature, however early one matches, so that the
 * time taken tells nothing about which was right.
 */
export function matchSignatures(
  hash: HmacHash,
  keys: readonly Key[],
  content: readonly (Uint8Array | string)[],
  signatures: readonly Uint8Array[],
): Key | undefined {
  let matched: Key | undefined;
  for (const key of keys) {
    const expected = hmac(hash, key.bytes, content);
    for (const signature of signatures) {
      if (signature.byteLength === expected.byteLength && timingSafeEqual(signature, expected)) {
        matched ??= key;
      }
    }
  }
  return matched;
}

export function verdict(key: Key | undefined, signedTime: Date | undefined): Verified | Rejected {
  return key ? { verified: true, key, signedTime } : rejected("signature-mismatch");
}

/** Digits only: `parseInt` would read `1700abc` as 1700. */
const unixSeconds = /^[0-9]{1,11}$/;

/** The time in a header, when it is one and is near now on both sides. */
export function freshTime(text: string, { now, toleranceMs }: Trust): Date | Rejected {
  if (!unixSeconds.test(text)) return rejected("timestamp-malformed");
  const time = new Date(Number(text) * 1000);
  const ageMs = now.getTime() - time.getTime();
  if (ageMs > toleranceMs) return rejected("timestamp-too-old");
  if (ageMs < -toleranceMs) return rejected("timestamp-too-new");
  return time;
}

export function unixSecondsOf(time: Date): string {
  return String(Math.floor(time.getTime() / 1000));
}

/**
 * Undefined unless the text is what encoding the bytes again would give, in one case throughout.
 */
export function decodeHex(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "hex");
  const written = bytes.toString("hex");
  return text === written || text === written.toUpperCase() ? bytes : undefined;
}

/** Undefined unless the text is what encoding the bytes again would give, padding included. */
export function decodeBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : undefined;
}
