// What the quarantine keeps of a request, encrypted: AES-256-GCM, bound to its id, so that no row
// can pass for another. Only what a provider's verifier looks at is in it.

import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

export type KeptRequest = {
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly contentType: string;
  /** What stood behind the question mark, where the provider signs it. */
  readonly query: string | undefined;
  readonly body: Uint8Array;
};

const nonceLength = 12;
const tagLength = 16;
const cipherName = "aes-256-gcm";

/** Nonce, ciphertext, tag. */
export function seal(key: Uint8Array, quarantineId: string, request: KeptRequest): Buffer {
  const { body, ...head } = request;
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.byteLength);
  const nonce = randomBytes(nonceLength);
  const cipher = createCipheriv(cipherName, key, nonce).setAAD(Buffer.from(quarantineId));
  const parts = [length, text, body].map((part) => cipher.update(part));
  return Buffer.concat([nonce, ...parts, cipher.final(), cipher.getAuthTag()]);
}

/** Undefined when it was sealed with another key, under another id, or was changed since. */
export function unseal(
  key: Uint8Array,
  quarantineId: string,
  sealed: Uint8Array,
): KeptRequest | undefined {
  const bytes = Buffer.from(sealed);
  if (bytes.byteLength < nonceLength + tagLength + 4) return undefined;
  const nonce = bytes.subarray(0, nonceLength);
  const decipher = createDecipheriv(cipherName, key, nonce, { authTagLength: tagLength });
  decipher.setAAD(Buffer.from(quarantineId)).setAuthTag(bytes.subarray(-tagLength));
  let opened: Buffer;
  try {
    const text = decipher.update(bytes.subarray(nonceLength, -tagLength));
    opened = Buffer.concat([text, decipher.final()]);
  } catch {
    return undefined;
  }
  const headLength = opened.readUInt32BE(0);
  const head = JSON.parse(opened.subarray(4, 4 + headLength).toString()) as KeptRequest;
  return { ...head, query: head.query, body: opened.subarray(4 + headLength) };
}
