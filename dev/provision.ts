// What the services must find on disk before they start, made once per folder:
// certificates, who may call what, keys of end users' tokens, endpoints and
// their secrets. The same kinds of files that an operator provides elsewhere.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { stringify } from "yaml";
import {
  type Authority,
  ensureAuthority,
  issueLeaf,
  issueServerCertificate,
} from "#mesh/identity/authority.ts";
import type { TlsFiles } from "#mesh/process/config.ts";

export const serviceNames = ["ledger-service", "cms-service", "webhook-gateway"] as const;
export type ServiceName = (typeof serviceNames)[number];

/** Learner that the development token speaks for. */
export const devLearnerId = "learner-1";

/** One demo endpoint of the gateway. */
export type DemoEndpoint = { readonly endpointId: string; readonly secret: string };

export type Provision = {
  /** Certificates by identity; `dev` may call everything. */
  readonly tls: Readonly<Record<ServiceName | "dev", TlsFiles>>;
  readonly doorTls: TlsFiles;
  readonly accessFile: string;
  readonly jwksFile: string;
  readonly learnerJwt: string;
  readonly endpointsFile: string;
  readonly endpoints: Readonly<Record<"stripe" | "standard" | "generic", DemoEndpoint>>;
  /** A stable random password, made on first use. */
  passwordOf(role: string): string;
};

export async function provision(folder: string): Promise<Provision> {
  for (const name of ["pki", "config", "secrets"]) {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  }
  const secret = (name: string, make: () => string) =>
    kept(join(folder, "secrets", name), make, 0o600);
  const authority = await ensureAuthority(join(folder, "pki"));
  // Written once: what a developer changes in them afterwards stays.
  const accessFile = join(folder, "config", "access.yaml");
  kept(accessFile, accessConfig);
  const tokens = await provisionTokens(folder, secret);
  const endpoints = {
    stripe: endpoint("stripe", () => `whsec_${randomBytes(24).toString("base64url")}`),
    standard: endpoint("standard", () => `whsec_${randomBytes(32).toString("base64")}`),
    generic: endpoint("generic", () => randomBytes(32).toString("hex")),
  };
  const endpointsFile = join(folder, "config", "endpoints.yaml");
  kept(endpointsFile, () => endpointsConfig(folder, endpoints));

  return {
    ...(await provisionCertificates(folder, authority)),
    ...tokens,
    accessFile,
    endpointsFile,
    endpoints,
    passwordOf: (role) => secret(`${role}-password`, () => randomBytes(16).toString("hex")),
  };

  function endpoint(name: string, make: () => string): DemoEndpoint {
    const endpointId = kept(join(folder, "config", `${name}-endpoint-id`), () => {
      return `${name}-${randomBytes(16).toString("base64url")}`;
    });
    return { endpointId, secret: secret(`${name}-endpoint`, make) };
  }
}

async function provisionCertificates(folder: string, authority: Authority) {
  const dir = join(folder, "pki");
  const leaf = (name: string) => issueLeaf(authority, { name, dir });
  return {
    tls: {
      "ledger-service": await leaf("ledger-service"),
      "cms-service": await leaf("cms-service"),
      "webhook-gateway": await leaf("webhook-gateway"),
      dev: await leaf("dev"),
    },
    doorTls: await issueServerCertificate(authority, { name: "door", dir }),
  };
}

/** Services meet on the broker; only the developer's identity calls them, so far. */
function accessConfig(): string {
  const identity = "spiffe://bursar/dev";
  return stringify({ grants: [{ identity, scopes: ["*.*.*"], ledgerIds: ["*"] }] });
}

function endpointsConfig(folder: string, endpoints: Provision["endpoints"]): string {
  const file = (name: string) => [{ file: join(folder, "secrets", `${name}-endpoint`) }];
  const { stripe, standard, generic } = endpoints;
  const genericHmac = {
    signatureHeader: "x-bursar-signature",
    signaturePrefix: "sha256=",
    algorithm: "HMAC_ALGORITHM_SHA256",
    signatureEncoding: "SIGNATURE_ENCODING_HEX",
    keyEncoding: "KEY_ENCODING_UTF8",
    signedContent: "{timestamp}.{body}",
    timestampHeader: "x-bursar-timestamp",
  };
  const shared = { ledgerId: "main" };
  return stringify({
    endpoints: [
      {
        endpointId: stripe.endpointId,
        providerAccount: "acct_demo",
        ...shared,
        secrets: file("stripe"),
        stripe: {},
      },
      {
        endpointId: standard.endpointId,
        providerAccount: "shop",
        ...shared,
        secrets: file("standard"),
        standardWebhooks: {},
      },
      {
        endpointId: generic.endpointId,
        providerAccount: "bank",
        ...shared,
        secrets: file("generic"),
        genericHmac,
      },
    ],
  });
}

async function provisionTokens(
  folder: string,
  secret: (name: string, make: () => string) => string,
): Promise<{ jwksFile: string; learnerJwt: string }> {
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const fresh = JSON.stringify({ ...(await exportJWK(privateKey)), alg: "EdDSA", kid: "dev" });
  const { d, ...publicJwk } = JSON.parse(secret("token-key.json", () => fresh)) as JWK;
  const jwksFile = join(folder, "config", "jwks.json");
  writeFileSync(jwksFile, JSON.stringify({ keys: [publicJwk] }));
  const key = await importJWK({ ...publicJwk, ...(d === undefined ? {} : { d }) }, "EdDSA");
  const scopes = ["catalog.read", "orders.write", "orders.read", "enrollments.read", "access.read"];
  const learnerJwt = await new SignJWT({ scope: scopes.map((scope) => `cms.${scope}`).join(" ") })
    .setProtectedHeader({ alg: "EdDSA", kid: "dev" })
    .setSubject(devLearnerId)
    .setAudience("cms-service")
    .setIssuedAt()
    .setExpirationTime("24h")
    .sign(key);
  return { jwksFile, learnerJwt };
}

/** The text in a file, made on first use and the same ever after. */
function kept(path: string, make: () => string, mode = 0o644): string {
  if (!existsSync(path)) writeFileSync(path, make(), { mode });
  return readFileSync(path, "utf8");
}
