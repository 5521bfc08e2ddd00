// End users' tokens for tests, signed by a key whose public half stands in a JWKS file of its own.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

export type TokenClaims = {
  readonly scope?: string;
  readonly audience?: string;
  /** From now; negative: it has expired. */
  readonly lifeSeconds?: number;
};

export type TestTokens = AsyncDisposable & {
  readonly jwksFile: string;
  sign(learnerId: string, claims?: TokenClaims): Promise<string>;
};

/** For this audience, with every scope, for five minutes, unless a token is told otherwise. */
export async function testTokens(service: string): Promise<TestTokens> {
  const dir = mkdtempSync(join(tmpdir(), "bursar-tokens-"));
  const jwksFile = join(dir, "jwks.json");
  const { publicKey, privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const jwk = { ...(await exportJWK(publicKey)), alg: "EdDSA", kid: "test" };
  writeFileSync(jwksFile, JSON.stringify({ keys: [jwk] }));
  return {
    jwksFile,
    sign(learnerId, { scope = "*.*.*", audience = service, lifeSeconds = 300 } = {}) {
      return new SignJWT({ scope })
        .setProtectedHeader({ alg: "EdDSA", kid: "test" })
        .setSubject(learnerId)
        .setAudience(audience)
        .setExpirationTime(Math.floor(Date.now() / 1_000) + lifeSeconds)
        .sign(privateKey);
    },
    async [Symbol.asyncDispose]() {
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
