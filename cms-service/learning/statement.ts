// The signed statement that is a certificate: a compact JWS whose header and claims are fixed, so
// that anybody can verify it by the public keys, without this service and without its code.

import {
  type CryptoKey,
  compactVerify,
  decodeProtectedHeader,
  type JWK,
  type ProtectedHeaderParameters,
  SignJWT,
} from "jose";
import { JOSEError } from "jose/errors";

export type Statement = {
  readonly serial: string;
  readonly issuer: string;
  readonly learnerName: string;
  readonly courseId: string;
  readonly courseTitle: string;
  readonly revision: number;
  /** Day in UTC, `2026-01-31`. */
  readonly completeDate: string;
  readonly issueTime: Date;
};

export type SigningKeys = {
  /** Signs; undefined when the service has no key. */
  readonly signing: { readonly keyId: string; readonly key: CryptoKey } | undefined;
  readonly verifying: ReadonlyMap<string, CryptoKey>;
  /** What everybody may know of them. */
  readonly jwks: { readonly keys: readonly JWK[] };
};

const type = "bursar-certificate+jwt";
const algorithm = "EdDSA";

/** The same statement under the same key is the same token. */
export async function signStatement(
  statement: Statement,
  { keyId, key }: NonNullable<SigningKeys["signing"]>,
): Promise<string> {
  const { issuer, serial, issueTime } = statement;
  return new SignJWT({
    name: statement.learnerName,
    course_id: statement.courseId,
    course_title: statement.courseTitle,
    revision: statement.revision,
    completed: statement.completeDate,
  })
    .setProtectedHeader({ alg: algorithm, kid: keyId, typ: type })
    .setIssuer(issuer)
    .setJti(serial)
    .setIssuedAt(issueTime)
    .sign(key);
}

export type Forgery = "malformed" | "wrong-algorithm" | "unknown-key" | "bad-signature";

export type TokenVerdict =
  | { readonly kind: "signed"; readonly serial: string }
  | { readonly kind: Forgery; readonly problem: string };

/** Total: whatever the text is, it has a verdict. */
export async function verifyStatement(token: string, keys: SigningKeys): Promise<TokenVerdict> {
  let header: ProtectedHeaderParameters;
  try {
    if (token.split(".").length !== 3) return malformed("it has not three parts");
    header = decodeProtectedHeader(token);
  } catch {
    return malformed("its header cannot be read");
  }
  const { alg, kid, typ } = header;
  if (alg !== algorithm) {
    return { kind: "wrong-algorithm", problem: `its algorithm is ${String(alg)}, not EdDSA` };
  }
  if (typ !== type) return malformed(`its type is ${String(typ)}, not ${type}`);
  const key = keys.verifying.get(kid ?? "");
  if (!key) return { kind: "unknown-key", problem: `its key ${kid ?? "(none)"} is none of ours` };
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
    const claims = JSON.parse(new TextDecoder().decode(payload)) as { jti?: unknown };
    if (typeof claims.jti !== "string") return malformed("it has no serial");
    return { kind: "signed", serial: claims.jti };
  } catch (error) {
    if (error instanceof JOSEError) {
      return { kind: "bad-signature", problem: "it is not what the key signed" };
    }
    throw error;
  }
}

function malformed(problem: string): TokenVerdict {
  return { kind: "malformed", problem };
}
