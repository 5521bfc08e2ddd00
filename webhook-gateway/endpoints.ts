// The gateway's endpoints, from its configuration file: parsed, validated,
// secrets fetched, every key tried. One unsound endpoint refuses the whole file,
// with everything that is wrong in one error, so that a typing error never
// closes one door silently.

import { readFileSync } from "node:fs";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parseDocument, visit } from "yaml";
import {
  type EndpointConfig,
  EndpointConfigSchema,
  GatewayConfigSchema,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { validate } from "#mesh/policy/validation.ts";
import { ConfigError, type Env } from "#mesh/process/config.ts";
import type { Provider } from "./providers/provider.ts";
import { createProvider } from "./providers/registry.ts";
import { activeKeys, readSecret, type Secret } from "./secrets.ts";
import { selfTest } from "./self-test.ts";

export type Endpoint = {
  readonly endpointId: string;
  /** Empty when the gateway serves one tenant only. */
  readonly tenantId: string;
  readonly providerAccount: string;
  readonly ledgerId: string;
  readonly provider: Provider;
  readonly secrets: readonly Secret[];
  readonly bodyBytesMax: number;
  readonly toleranceMs: number;
};

export type Endpoints = ReadonlyMap<string, Endpoint>;

const bodyBytesMaxDefault = 262_144;
const toleranceMsDefault = 300_000;

/** Throws ConfigError with everything that is wrong. */
export function readEndpoints(path: string, env: Env, now: Date): Endpoints {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([`${path} cannot be read (${code ?? "unknown error"})`]);
  }
  return parseEndpoints(text, env, now);
}

export function parseEndpoints(text: string, env: Env, now: Date): Endpoints {
  const problems: string[] = [];
  const configs = parseConfigs(text, problems);
  const endpoints = new Map<string, Endpoint>();
  for (const config of configs) {
    const note = (problem: string) => problems.push(`endpoint ${config.endpointId}: ${problem}`);
    if (endpoints.has(config.endpointId)) note("endpoint_id is used twice");
    const endpoint = createEndpoint(config, env, now, note);
    if (endpoint) endpoints.set(config.endpointId, endpoint);
  }
  problems.push(...accountProblems(configs));
  if (problems.length > 0) throw new ConfigError(problems);
  return endpoints;
}

function createEndpoint(
  config: EndpointConfig,
  env: Env,
  now: Date,
  note: (problem: string) => void,
): Endpoint | undefined {
  const provider = createProvider(config.provider);
  if ("problems" in provider) {
    for (const problem of provider.problems) note(`${nameOf(config)}.${problem}`);
    return undefined;
  }
  const secrets = config.secrets.flatMap((ref, index): Secret[] => {
    const secret = readSecret(ref, provider, env);
    if ("problem" in secret) {
      note(`secrets[${index}]: ${secret.problem}`);
      return [];
    }
    const failure = selfTest(provider, secret, now);
    if (failure) note(`secrets[${index}]: the self-test ${failure}`);
    return [secret];
  });
  if (secrets.length > 0 && activeKeys(secrets, now).length === 0) {
    note("secrets: none is active now, check not_before_time and not_after_time");
  }
  return {
    endpointId: config.endpointId,
    tenantId: config.tenantId,
    providerAccount: config.providerAccount,
    ledgerId: config.ledgerId,
    provider,
    secrets,
    bodyBytesMax: config.bodyBytesMax || bodyBytesMaxDefault,
    toleranceMs: config.toleranceMs || toleranceMsDefault,
  };
}

/** Name of the provider's field, as it stands in the file. */
function nameOf({ provider }: EndpointConfig): string {
  return (
    EndpointConfigSchema.fields.find(({ localName }) => localName === provider.case)?.name ?? ""
  );
}

/** Endpoints that hear about one account count its events once, so they must agree on the books. */
function accountProblems(configs: readonly EndpointConfig[]): string[] {
  const ledgerByAccount = new Map<string, EndpointConfig>();
  return configs.flatMap((config) => {
    const account = `${config.tenantId} ${config.provider.case} ${config.providerAccount}`;
    const first = ledgerByAccount.get(account) ?? config;
    ledgerByAccount.set(account, first);
    if (first.ledgerId === config.ledgerId) return [];
    return [
      `endpoint ${config.endpointId}: ledger_id ${config.ledgerId} differs from ` +
        `${first.ledgerId} of endpoint ${first.endpointId}, which has the same provider_account`,
    ];
  });
}

/** The endpoints of the file that keep the schema's rules; everything else is a problem. */
function parseConfigs(text: string, problems: string[]): EndpointConfig[] {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  for (const { code, linePos } of document.errors) {
    // The parser's own message quotes the file, which a secret may stand in by mistake.
    problems.push(`line ${linePos?.[0].line ?? "?"}: not valid JSON or YAML (${code})`);
  }
  visit(document, {
    Alias: () => void problems.push("the file uses YAML aliases: write the values out"),
  });
  if (problems.length > 0) return [];
  const root: unknown = document.toJS();
  const members = isObject(root) ? Object.keys(root) : [];
  const list = isObject(root) ? root["endpoints"] : undefined;
  if (members.length !== 1 || !Array.isArray(list)) {
    problems.push("the file must hold `endpoints`, a list, and nothing else");
    return [];
  }
  const configs = list.flatMap((json: JsonValue, index): EndpointConfig[] => {
    try {
      return [fromJson(EndpointConfigSchema, json)];
    } catch (error) {
      problems.push(`endpoints[${index}]: ${withoutValue(error)}`);
      return [];
    }
  });
  const config = create(GatewayConfigSchema, { endpoints: configs });
  const broken = validate(GatewayConfigSchema, config);
  for (const { field, problem } of broken) {
    if (configs.length === list.length || field !== "endpoints") {
      problems.push(`${named(field, configs)}: ${problem}`);
    }
  }
  return configs.filter(
    (_, index) => !broken.some(({ field }) => field.startsWith(`endpoints[${index}]`)),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** `endpoints[0].secrets` as `endpoint <id>: secrets`. */
function named(field: string, configs: readonly EndpointConfig[]): string {
  const [, index, rest] = /^endpoints\[(\d+)\]\.?(.*)$/.exec(field) ?? [];
  const endpointId = index === undefined ? undefined : configs[Number(index)]?.endpointId;
  return endpointId && rest ? `endpoint ${endpointId}: ${rest}` : field;
}

/** The decoder's message up to where it quotes the value; names of fields are kept. */
function withoutValue(error: unknown): string {
  const message = error instanceof Error ? error.message : "cannot be decoded";
  const unknownKey = /key "((?!whsec)[A-Za-z0-9_]{1,40})" is unknown/.exec(message);
  const head = message.replace(/ from JSON.*$/s, "");
  return unknownKey ? `${head}: ${unknownKey[1]} is unknown` : head;
}
