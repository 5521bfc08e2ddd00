// The keys that certificates are signed with, from a file: a JSON Web Key Set of Ed25519 keys. The
// first signs, and all verify, so a new one is put in front of the old ones.

import { readFileSync } from "node:fs";
import { type CryptoKey, importJWK, type JSONWebKeySet, type JWK } from "jose";
import type { SigningKeys } from "./statement.ts";

const noKeys: SigningKeys = { signing: undefined, verifying: new Map(), jwks: { keys: [] } };

/** Throws what is wrong with the file; it never repeats what a key holds. */
export async function readSigningKeys(file: string | undefined): Promise<SigningKeys> {
  if (file === undefined) return noKeys;
  const problem = (what: string) => new Error(`CERTIFICATE_KEYS_FILE: ${file} ${what}`);
  let set: JSONWebKeySet;
  try {
    set = JSON.parse(readFileSync(file, "utf8")) as JSONWebKeySet;
  } catch {
    throw problem("cannot be read as JSON");
  }
  if (!Array.isArray(set.keys) || set.keys.length === 0) {
    throw problem("holds no keys: expected a JSON Web Key Set");
  }
  const verifying = new Map<string, CryptoKey>();
  const publicKeys: JWK[] = [];
  for (const jwk of set.keys) {
    const { kid, kty, crv, x } = jwk;
    if (!kid) throw problem("holds a key without kid: give it one");
    if (verifying.has(kid)) throw problem(`holds two keys with the kid ${kid}`);
    if (kty !== "OKP" || crv !== "Ed25519" || !x) throw problem(`holds no Ed25519 key: ${kid}`);
    const publicKey = { kty, crv, x, kid, alg: "EdDSA", use: "sig" };
    verifying.set(kid, await imported(publicKey, kid));
    publicKeys.push(publicKey);
  }
  const [first] = set.keys;
  if (!first?.d || !first.kid) throw problem("has a first key that cannot sign: it has no d");
  const signing = { keyId: first.kid, key: await imported({ ...first, alg: "EdDSA" }, first.kid) };
  return { signing, verifying, jwks: { keys: publicKeys } };

  async function imported(jwk: JWK, kid: string): Promise<CryptoKey> {
    try {
      return (await importJWK(jwk, "EdDSA")) as CryptoKey;
    } catch {
      throw problem(`holds a key that cannot be read: ${kid}`);
    }
  }
}
