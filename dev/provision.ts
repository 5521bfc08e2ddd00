// What the services must find on disk before they start, made once per folder:
// certificates, who may call what, keys of end users' tokens, endpoints and
// their secrets. The same kinds of files that an operator provides elsewhere.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { getOption } from "@bufbuild/protobuf";
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { isSeq, parseDocument, stringify } from "yaml";
import { method, service } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { EndpointConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import {
  type Authority,
  ensureAuthority,
  issueLeaf,
  issueServerCertificate,
} from "#mesh/identity/authority.ts";
import { identityPrefix } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { type DemoProvider, demoProviders, type NamedEndpoint } from "./demo-endpoints.ts";
import { allServices } from "./events.ts";
import { type HouseService, type ServiceName, serviceNames } from "./services.ts";

/** Learner that the development token speaks for. */
export const devLearnerId = "learner-1";

/** One demo endpoint of the gateway. */
export type DemoEndpoint = { readonly endpointId: string; readonly secret: string };

export type Provision = {
  /** Certificates by identity; `dev` may call everything. */
  readonly tls: Readonly<Record<ServiceName | "dev", TlsFiles>>;
  tlsOf(identity: string): TlsFiles;
  readonly doorTls: TlsFiles;
  readonly accessFile: string;
  readonly jwksFile: string;
  readonly learnerJwt: string;
  /** Keys that certificates of completed courses are signed with. */
  readonly certificateKeysFile: string;
  readonly endpointsFile: string;
  readonly endpoints: Readonly<Record<NamedEndpoint, DemoEndpoint>>;
  /** A stable random password, made on first use. */
  passwordOf(role: string): string;
  /** The file that holds it. */
  passwordFileOf(role: string): string;
  readonly authority: Authority;
};

export type ProvisionOptions = {
  readonly folder: string;
  /** Services beside Bursar's own. */
  readonly extra?: readonly HouseService[];
  /** Shorter than a day in tests of renewal. */
  readonly certificateLifeMs?: number | undefined;
};

export async function provision(options: ProvisionOptions): Promise<Provision> {
  const { folder, extra = [] } = options;
  for (const name of ["pki", "config", "secrets"]) {
    mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  }
  const secret = (name: string, make: () => string) =>
    kept(join(folder, "secrets", name), make, 0o600);
  const authority = await ensureAuthority(join(folder, "pki"));
  const passwordOf = (role: string) =>
    secret(`${role}-password`, () => randomBytes(16).toString("hex"));
  // Written once: what a developer changes in them afterwards stays.
  const accessFile = join(folder, "config", "access.yaml");
  kept(accessFile, accessConfig);
  const learnerScopes = await learnersMay(extra);
  const callers = await callersAmong(serviceNames);
  grantScopes(accessFile, [...extra, ...callers, { name: "browser", scopes: learnerScopes }]);
  const tokens = await provisionTokens({ folder, extra, learnerScopes, secret });
  const endpoints = {
    stripe: endpoint("stripe", demoProviders.stripe),
    standard: endpoint("standard", demoProviders.standard),
    generic: endpoint("generic", demoProviders.generic),
  };
  const endpointsFile = join(folder, "config", "endpoints.yaml");
  addEndpoints(
    endpointsFile,
    Object.entries(demoProviders).map(([name, provider]) => {
      const { account, config } = provider;
      const { endpointId } = endpoint(name, provider);
      return {
        endpointId,
        providerAccount: account,
        ledgerId: "main",
        secrets: [{ file: join(folder, "secrets", `${name}-endpoint`) }],
        ...config(endpointId),
      };
    }),
  );

  return {
    ...(await provisionCertificates(options, authority)),
    ...tokens,
    authority,
    accessFile,
    certificateKeysFile: await provisionCertificateKeys(folder, secret),
    endpointsFile,
    endpoints,
    passwordOf,
    passwordFileOf(role) {
      passwordOf(role);
      return join(folder, "secrets", `${role}-password`);
    },
  };

  function endpoint(name: string, { makeSecret }: DemoProvider): DemoEndpoint {
    const endpointId = kept(join(folder, "config", `${name}-endpoint-id`), () => {
      return `${name}-${randomBytes(16).toString("base64url")}`;
    });
    return { endpointId, secret: secret(`${name}-endpoint`, makeSecret) };
  }
}

async function provisionCertificates(options: ProvisionOptions, authority: Authority) {
  const { folder, extra = [], certificateLifeMs: lifeMs } = options;
  const kept = { dir: join(folder, "pki"), ...(lifeMs === undefined ? {} : { lifeMs }) };
  const leaf = (name: string) => issueLeaf(authority, { name, ...kept });
  const tls = {
    "ledger-service": await leaf("ledger-service"),
    "cms-service": await leaf("cms-service"),
    "webhook-gateway": await leaf("webhook-gateway"),
    dev: await leaf("dev"),
  };
  const all = new Map<string, TlsFiles>(Object.entries(tls));
  for (const { name } of extra) all.set(name, await leaf(name));
  return {
    tls,
    tlsOf(identity: string) {
      const files = all.get(identity);
      if (files === undefined) throw new Error(`this house has no certificate for ${identity}`);
      return files;
    },
    doorTls: await issueServerCertificate(authority, { name: "door", ...kept }),
  };
}

/** What services of the house need to call each other: the scopes of the methods that name them. */
async function callersAmong(names: readonly string[]): Promise<readonly Granted[]> {
  const methods = (await allServices()).flatMap((desc) => desc.methods);
  const policies = methods.map((desc) => getOption(desc, method));
  return names.map((name) => {
    const named = policies.filter(({ callers }) => callers.includes(name));
    const scopes = [...new Set(named.flatMap((policy) => policy.scopes))].sort();
    return { name, scopes, ledgerIds: ["*"] };
  });
}

/** The developer's identity calls them all. */
function accessConfig(): string {
  const identity = `${identityPrefix}dev`;
  return stringify({ grants: [{ identity, scopes: ["*.*.*"], ledgerIds: ["*"] }] });
}

type Granted = Pick<HouseService, "name" | "scopes" | "ledgerIds">;

/** What an added service may do is written once: what a developer makes of it stays. */
function grantScopes(accessFile: string, services: readonly Granted[]): void {
  const document = parseDocument(readFileSync(accessFile, "utf8"));
  const grants = document.get("grants") as { toJSON(): { identity: string }[] } | undefined;
  const listed = new Set(grants?.toJSON().map(({ identity }) => identity));
  const missing = services.filter(({ name, scopes = [] }) => {
    return scopes.length > 0 && !listed.has(`${identityPrefix}${name}`);
  });
  for (const { name, scopes, ledgerIds = [] } of missing) {
    document.addIn(["grants"], { identity: `${identityPrefix}${name}`, scopes, ledgerIds });
  }
  if (missing.length > 0) writeFileSync(accessFile, String(document));
}

type Listed = { readonly endpointId?: string; readonly [field: string]: unknown };

/**
 * An endpoint is added where the file has none of its provider: what a developer makes of it stays,
 * and a folder of before gets the providers that came since.
 */
function addEndpoints(file: string, provided: readonly Listed[]): void {
  const document = parseDocument(existsSync(file) ? readFileSync(file, "utf8") : "endpoints: []\n");
  const list = document.get("endpoints");
  // What cannot be read is for the gateway to refuse, which says why.
  if (document.errors.length > 0 || !isSeq(list)) return;
  const listed = (list.toJSON() as Listed[]).flatMap((endpoint) => Object.keys(endpoint));
  // Both spellings of a field are the same to the gateway.
  const written = (field: string) => field.replaceAll("_", "").toLowerCase();
  const fields = new Set(listed.map(written));
  const missing = provided.filter(
    (endpoint) =>
      !Object.keys(endpoint).some((name) => {
        return isProvider(name) && fields.has(written(name));
      }),
  );
  if (missing.length === 0) return;
  list.flow = false;
  for (const endpoint of missing) list.add(document.createNode(endpoint));
  writeFileSync(file, String(document));
}

function isProvider(field: string): boolean {
  const [oneof] = EndpointConfigSchema.oneofs;
  return oneof?.fields.some(({ localName }) => localName === field) ?? false;
}

/** What the course service and each added one admit end users to, from a page too. */
async function learnersMay(extra: readonly HouseService[]): Promise<readonly string[]> {
  const names = ["cms-service", ...extra.map(({ name }) => name)];
  const services = await allServices();
  const served = services.filter((desc) => names.includes(getOption(desc, service).identity));
  const policies = served.flatMap(({ methods }) => methods.map((desc) => getOption(desc, method)));
  return [...new Set(policies.filter(({ endUsers }) => endUsers).flatMap(({ scopes }) => scopes))];
}

async function provisionTokens(options: {
  readonly folder: string;
  readonly extra: readonly HouseService[];
  readonly learnerScopes: readonly string[];
  readonly secret: (name: string, make: () => string) => string;
}): Promise<{ jwksFile: string; learnerJwt: string }> {
  const { folder, extra, learnerScopes, secret } = options;
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const fresh = JSON.stringify({ ...(await exportJWK(privateKey)), alg: "EdDSA", kid: "dev" });
  const { d, ...publicJwk } = JSON.parse(secret("token-key.json", () => fresh)) as JWK;
  const jwksFile = join(folder, "config", "jwks.json");
  writeFileSync(jwksFile, JSON.stringify({ keys: [publicJwk] }));
  const key = await importJWK({ ...publicJwk, ...(d === undefined ? {} : { d }) }, "EdDSA");
  const learnerJwt = await new SignJWT({ scope: learnerScopes.join(" ") })
    .setProtectedHeader({ alg: "EdDSA", kid: "dev" })
    .setSubject(devLearnerId)
    .setAudience(["cms-service", ...extra.map(({ name }) => name)])
    .setIssuedAt()
    .setExpirationTime("24h")
    .sign(key);
  return { jwksFile, learnerJwt };
}

async function provisionCertificateKeys(
  folder: string,
  secret: (name: string, make: () => string) => string,
): Promise<string> {
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  const key = { ...(await exportJWK(privateKey)), alg: "EdDSA", kid: "dev-1" };
  secret("certificate-keys.json", () => JSON.stringify({ keys: [key] }));
  return join(folder, "secrets", "certificate-keys.json");
}

/** The text in a file, made on first use and the same ever after. */
function kept(path: string, make: () => string, mode = 0o644): string {
  if (!existsSync(path)) writeFileSync(path, make(), { mode });
  return readFileSync(path, "utf8");
}
