// Schemes whose signature is an HMAC over the body alone, in one header.

import type { Rejected, SignedRequest, Trust, Verified } from "./provider.ts";
import { rejected } from "./provider.ts";
import * as signature from "./signature.ts";

/** `decode` gives nothing for what the provider would not write. */
export function verifyBodyHmac(
  request: SignedRequest,
  trust: Trust,
  header: string,
  decode: (written: string) => Uint8Array | undefined,
): Verified | Rejected {
  const written = request.header(header);
  if (!written) return rejected("header-missing");
  const bytes = decode(written);
  if (bytes?.byteLength !== 32) return rejected("header-malformed");
  const key = signature.matchSignatures("sha256", trust.keys, [request.body], [bytes]);
  return signature.verdict(key, undefined);
}

/** Hexadecimal in lower case, as providers write it, behind a prefix. */
export function decodeLowerHex(written: string, prefix = ""): Uint8Array | undefined {
  if (!written.startsWith(prefix)) return undefined;
  const digits = written.slice(prefix.length);
  return /^[0-9a-f]{64}$/.test(digits) ? Buffer.from(digits, "hex") : undefined;
}
