// Keys of Standard Webhooks' `v1a`: `whpk_` is the sender's public key, `whsk_` its private one,
// which only the sender needs. They are kept in DER, whose beginning says what they are, so that a
// key of one kind is never used as one of another.

import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import type { Unusable } from "./provider.ts";
import { decodeBase64 } from "./signature.ts";

const publicPrefix = "whpk_";
const privatePrefix = "whsk_";
/** SubjectPublicKeyInfo and PrivateKeyInfo of Ed25519, up to the key's 32 bytes. */
const publicHead = Buffer.from("302a300506032b6570032100", "hex");
const privateHead = Buffer.from("302e020100300506032b657004220420", "hex");
const keyBytes = 32;
export const ed25519SignatureBytes = 64;

type Pair = { readonly publicKey: KeyObject; readonly privateKey: KeyObject | undefined };

/** Made once for each key: reading one from DER takes longer than a signature. */
const pairs = new WeakMap<Uint8Array, Pair>();

/** Undefined when the secret is of another kind. */
export function parseEd25519Key(secret: string): Uint8Array | Unusable | undefined {
  const prefix = [publicPrefix, privatePrefix].find((start) => secret.startsWith(start));
  if (prefix === undefined) return undefined;
  const bytes = decodeBase64(secret.slice(prefix.length));
  if (!bytes) return { unusable: `is not base64 with padding after ${prefix}` };
  const length = bytes.byteLength;
  if (prefix === publicPrefix) {
    if (length !== keyBytes) return { unusable: `holds ${length} bytes, must be ${keyBytes}` };
    const key = Buffer.concat([publicHead, bytes]);
    return pairOf(key) ? key : { unusable: "is no Ed25519 key" };
  }
  // Some write the public key behind the private one.
  if (length !== keyBytes && length !== 2 * keyBytes) {
    return { unusable: `holds ${length} bytes, must be ${keyBytes} or ${2 * keyBytes}` };
  }
  const key = Buffer.concat([privateHead, bytes.subarray(0, keyBytes)]);
  const pair = pairOf(key);
  const derived = pair && publicBytesOf(pair.publicKey);
  const behind = bytes.subarray(keyBytes);
  if (!derived || (behind.byteLength > 0 && !derived.equals(behind))) {
    return { unusable: "holds a public key that is not its own" };
  }
  return key;
}

/** The keys in such bytes; undefined when they are of another kind. */
export function pairOf(bytes: Uint8Array): Pair | undefined {
  const known = pairs.get(bytes);
  if (known) return known;
  const pair = readPair(Buffer.from(bytes));
  if (pair) pairs.set(bytes, pair);
  return pair;
}

function readPair(der: Buffer): Pair | undefined {
  if (isKey(der, publicHead)) {
    const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
    return { publicKey, privateKey: undefined };
  }
  if (!isKey(der, privateHead)) return undefined;
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return { publicKey: createPublicKey(privateKey), privateKey };
}

function isKey(der: Buffer, head: Buffer): boolean {
  return der.byteLength === head.byteLength + keyBytes && der.subarray(0, head.length).equals(head);
}

function publicBytesOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ format: "der", type: "spki" }).subarray(publicHead.byteLength);
}

export function signEd25519(
  privateKey: KeyObject,
  content: readonly (Uint8Array | string)[],
): Buffer {
  return signBytes(null, joined(content), privateKey);
}

export function verifiesEd25519(
  { publicKey }: Pair,
  content: readonly (Uint8Array | string)[],
  signatures: readonly Uint8Array[],
): boolean {
  const bytes = joined(content);
  return signatures.some((signature) => verifyBytes(null, bytes, publicKey, signature));
}

function joined(parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)));
}
