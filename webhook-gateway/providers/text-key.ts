// Secrets that are used as the characters they are written in, as most providers do.

import type { Unusable } from "./provider.ts";
import { keyBytesMin } from "./signature.ts";

/** The key, or what is wrong with it; the prefix is part of the key, not of its strength. */
export function textKey(secret: string, prefix = ""): Uint8Array | Unusable {
  if (!secret.startsWith(prefix)) return { unusable: `does not begin with ${prefix}` };
  if (!/^[!-~]*$/.test(secret)) return { unusable: "holds spaces or characters beyond ASCII" };
  if (secret.length - prefix.length < keyBytesMin) {
    const behind = prefix && ` after ${prefix}`;
    return { unusable: `is shorter than ${keyBytesMin} characters${behind}` };
  }
  return Buffer.from(secret);
}
