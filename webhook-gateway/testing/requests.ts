// Requests as an adapter sees them, for tests of providers.

import type { Provider, SignedRequest, Trust } from "../providers/provider.ts";
import { fingerprintOf } from "../providers/signature.ts";

export const now = new Date(1_700_000_000_000);

type Headers = Readonly<Record<string, string | undefined>>;

/** Header names in lower case. */
export function requestOf(body: Uint8Array | string, headers: Headers): SignedRequest {
  return { body: Buffer.from(body), header: (name) => headers[name] };
}

/** Verified with the key inside a secret, as an endpoint would have it. */
export function verifyWith(
  provider: Provider,
  secret: string,
  body: Uint8Array | string,
  headers: Headers,
  over: Partial<Trust> = {},
) {
  const bytes = keyOf(provider, secret);
  const keys = [{ bytes, fingerprint: fingerprintOf(bytes) }];
  return provider.verify(requestOf(body, headers), { keys, now, toleranceMs: 300_000, ...over });
}

/** The key inside a secret that is fit. */
export function keyOf(provider: Provider, secret: string): Uint8Array {
  const key = provider.parseKey(secret);
  if ("unusable" in key) throw new Error(`the secret ${key.unusable}`);
  return key;
}
