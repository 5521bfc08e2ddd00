// Secrets by reference: the configuration names a file or an environment
// variable, here the key is read from it. No message of this file repeats a
// secret, nor a name that may be a secret written into the wrong place.

import { readFileSync, statSync } from "node:fs";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { SecretRef } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import type { Env } from "#mesh/process/config.ts";
import type { Key, Provider } from "./providers/provider.ts";
import { fingerprintOf } from "./providers/signature.ts";

export type Secret = Key & {
  /** Unix milliseconds; the key verifies from here… */
  readonly notBeforeMs: number;
  /** …to just before here. */
  readonly notAfterMs: number;
};

export type Problem = { readonly problem: string };

/** Where secrets are found. */
export type SecretPlaces = {
  readonly env: Env;
  readonly readFile: (path: string) => string | Problem;
};

export function activeKeys(secrets: readonly Secret[], now: Date): readonly Secret[] {
  const nowMs = now.getTime();
  return secrets.filter(
    ({ notBeforeMs, notAfterMs }) => nowMs >= notBeforeMs && nowMs < notAfterMs,
  );
}

/** Unix milliseconds of the first moment without an active secret; infinite if there is none. */
export function coveredUntilMs(secrets: readonly Secret[], now: Date): number {
  let untilMs = now.getTime();
  for (;;) {
    const active = activeKeys(secrets, new Date(untilMs));
    const nextMs = Math.max(...active.map(({ notAfterMs }) => notAfterMs));
    if (active.length === 0 || nextMs === Infinity) return active.length === 0 ? untilMs : Infinity;
    untilMs = nextMs;
  }
}

export function readSecret(
  ref: SecretRef,
  provider: Provider,
  places: SecretPlaces,
): Secret | Problem {
  const notBeforeMs = ref.notBeforeTime ? timestampMs(ref.notBeforeTime) : -Infinity;
  const notAfterMs = ref.notAfterTime ? timestampMs(ref.notAfterTime) : Infinity;
  if (notBeforeMs >= notAfterMs) {
    return { problem: "not_before_time must be before not_after_time" };
  }
  const text = readSecretText(ref, places);
  if (typeof text !== "string") return text;
  const key = provider.parseKey(text);
  if ("unusable" in key) return { problem: `the secret ${key.unusable}` };
  return { bytes: key, fingerprint: fingerprintOf(key), notBeforeMs, notAfterMs };
}

export function readSecretText({ source }: SecretRef, places: SecretPlaces): string | Problem {
  if (source.case === "environment") {
    const text = places.env[source.value];
    return text ? text : { problem: `environment variable ${shown(source.value)} is not set` };
  }
  return places.readFile(source.value ?? "");
}

/** A key for AES-256, written as hexadecimal or base64. */
export function readCipherKey(ref: SecretRef, places: SecretPlaces): Uint8Array | Problem {
  const text = readSecretText(ref, places);
  if (typeof text !== "string") return text;
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return Buffer.from(text, "hex");
  const key = Buffer.from(text, "base64");
  if (key.byteLength === 32 && key.toString("base64") === text) return key;
  return { problem: "the secret must be 32 bytes in base64 or hexadecimal" };
}

const fileBytesMax = 4096;

/** What a secret's file holds, without its last line feed. */
export function readSecretFile(path: string): string | Problem {
  try {
    if (statSync(path).size > fileBytesMax) {
      return { problem: `file ${shown(path)} is larger than ${fileBytesMax} bytes` };
    }
    const text = readFileSync(path, "utf8").replace(/\n$/, "");
    return text === "" ? { problem: `file ${shown(path)} is empty` } : text;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return { problem: `file ${shown(path)} cannot be read (${code ?? "unknown error"})` };
  }
}

/** A path with a folder and a name in capitals are no secrets; anything else may be one. */
function shown(name: string): string {
  const harmless =
    /^[A-Z][A-Z0-9_]*$/.test(name) || (/^\.{0,2}\//.test(name) && !/whsec/.test(name));
  return harmless ? name : "(name not shown: it may be a secret)";
}
