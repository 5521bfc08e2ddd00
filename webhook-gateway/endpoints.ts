// The gateway's endpoints, from its configuration file: parsed, validated,
// secrets fetched, every key tried. One unsound endpoint refuses the whole file,
// with everything that is wrong in one error, so that a typing error never
// closes one door silently.

import { readFileSync } from "node:fs";
import type { EndpointConfig, GatewayConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { ConfigError, type Env } from "#mesh/process/config.ts";
import { type AddressPolicy, parseTrustedProxies, type TrustedProxies } from "./door/addresses.ts";
import { createEndpoint } from "./endpoints/create-endpoint.ts";
import { decodeConfig } from "./endpoints/decode.ts";
import type { FetchBack } from "./endpoints/fetch-back.ts";
import type { Filter } from "./filter/filter.ts";
import type { AckProfile, Provider } from "./providers/provider.ts";
import { readCipherKey, readSecretFile, type Secret, type SecretPlaces } from "./secrets.ts";

export type Endpoint = {
  readonly endpointId: string;
  /** Empty when the gateway serves one tenant only. */
  readonly tenantId: string;
  readonly providerAccount: string;
  readonly ledgerId: string;
  readonly provider: Provider;
  /** Active ones and others; none where the provider signs nothing. */
  readonly secrets: readonly Secret[];
  readonly bodyBytesMax: number;
  readonly toleranceMs: number;
  /** The provider's, unless the file names another. */
  readonly ack: AckProfile;
  /** While the broker is away webhooks go to the spool; else the provider is to try again. */
  readonly spool: boolean;
  /** Undefined: it may be called from anywhere. */
  readonly addresses: AddressPolicy | undefined;
  /** Bodies may come compressed. */
  readonly gzip: boolean;
  /** Undefined: nothing is kept of refused requests. */
  readonly quarantine: Quarantine | undefined;
  /** Undefined: every webhook passes. */
  readonly filter: Filter | undefined;
  /** How to ask the provider for what its webhooks only point at, where that is configured. */
  readonly fetchBack: FetchBack | undefined;
};

export type Quarantine = {
  readonly keepMs: number;
  /** Most that are kept a minute. */
  readonly perMinute: number;
};

/** Bounds for requests that are not authentic, for each client address. */
export type UnverifiedLimit = { readonly perMinute: number; readonly burst: number };

/** One sound configuration. It never changes; a changed file becomes another one. */
export type EndpointsSnapshot = {
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly trustedProxies: TrustedProxies;
  readonly unverifiedLimit: UnverifiedLimit;
  /** AES-256; present where an endpoint has a quarantine. */
  readonly quarantineKey: Uint8Array | undefined;
};

export type Endpoints = EndpointsSnapshot["endpoints"];

const unverifiedDefault: UnverifiedLimit = { perMinute: 60, burst: 100 };

/** Throws ConfigError with everything that is wrong. */
export function readEndpoints(path: string, env: Env, now: Date): EndpointsSnapshot {
  return parseEndpoints(readEndpointsText(path), env, now);
}

export function readEndpointsText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([`${path} cannot be read (${code ?? "unknown error"})`]);
  }
}

/** Throws ConfigError with everything that is wrong. */
export function parseEndpoints(
  text: string,
  env: Env,
  now: Date,
  readFile: SecretPlaces["readFile"] = readSecretFile,
): EndpointsSnapshot {
  const places = { env, readFile };
  const { config, problems: undecoded } = decodeConfig(text);
  const problems = [...undecoded];
  const endpoints = new Map<string, Endpoint>();
  for (const one of config.endpoints) {
    const note = (problem: string) => problems.push(`endpoint ${one.endpointId}: ${problem}`);
    if (endpoints.has(one.endpointId)) note("endpoint_id is used twice");
    const endpoint = createEndpoint(one, places, now, note);
    if (endpoint) endpoints.set(one.endpointId, endpoint);
  }
  problems.push(...accountProblems(config.endpoints));
  const snapshot = {
    endpoints,
    trustedProxies: trustedProxiesOf(config, problems),
    unverifiedLimit: {
      perMinute: config.unverifiedLimit?.perMinute || unverifiedDefault.perMinute,
      burst: config.unverifiedLimit?.burst || unverifiedDefault.burst,
    },
    quarantineKey: quarantineKeyOf(config, places, problems),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return snapshot;
}

/**
 * Endpoints that hear about one account count its events once, so they must agree on the books, and
 * on what passes: the filter of whichever hears of an event first would decide for all of them.
 */
function accountProblems(configs: readonly EndpointConfig[]): string[] {
  const firstByAccount = new Map<string, EndpointConfig>();
  return configs.flatMap((config) => {
    const account = `${config.tenantId} ${config.provider.case} ${config.providerAccount}`;
    const first = firstByAccount.get(account) ?? config;
    firstByAccount.set(account, first);
    const ofFirst = `of endpoint ${first.endpointId}, which has the same provider_account`;
    const about = `endpoint ${config.endpointId}:`;
    return [
      ...(first.ledgerId === config.ledgerId
        ? []
        : [`${about} ledger_id ${config.ledgerId} differs from ${first.ledgerId} ${ofFirst}`]),
      ...(first.filter === config.filter
        ? []
        : [`${about} filter differs from that ${ofFirst}: give both the same`]),
    ];
  });
}

function trustedProxiesOf(config: GatewayConfig, problems: string[]): TrustedProxies {
  const proxies = parseTrustedProxies(config.trustedProxies);
  if (!("problems" in proxies)) return proxies;
  problems.push(...proxies.problems);
  return { has: () => false };
}

function quarantineKeyOf(
  { quarantineKey: ref, endpoints }: GatewayConfig,
  places: SecretPlaces,
  problems: string[],
): Uint8Array | undefined {
  if (ref) {
    const key = readCipherKey(ref, places);
    if (!("problem" in key)) return key;
    problems.push(`quarantine_key: ${key.problem}`);
    return undefined;
  }
  const needing = endpoints.find(({ quarantine }) => quarantine);
  if (needing) {
    problems.push(
      `endpoint ${needing.endpointId}: quarantine needs a quarantine_key beside the endpoints`,
    );
  }
  return undefined;
}
