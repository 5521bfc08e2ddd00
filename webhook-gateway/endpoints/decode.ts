// From the text of the configuration file to messages that keep the schema's
// rules. Each endpoint is decoded by itself, so that one mistake hides no other,
// and no problem quotes the file: a secret may stand in it by mistake.

import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { parseDocument, visit } from "yaml";
import {
  type EndpointConfig,
  EndpointConfigSchema,
  type GatewayConfig,
  GatewayConfigSchema,
  type SecretRef,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { validate } from "#mesh/policy/validation.ts";

export type Decoded = {
  /** With the endpoints that keep the rules; what does not is among the problems. */
  readonly config: GatewayConfig;
  readonly problems: readonly string[];
};

export function decodeConfig(text: string): Decoded {
  const problems: string[] = [];
  const root = parseText(text, problems);
  const { endpoints: list, ...others } = root ?? {};
  if (problems.length === 0 && !Array.isArray(list)) {
    problems.push("the file must hold `endpoints`, a list");
  }
  const empty = create(GatewayConfigSchema);
  if (!Array.isArray(list)) return { config: empty, problems };

  const endpoints = list.flatMap((json: JsonValue, index): EndpointConfig[] => {
    return orProblem(`endpoints[${index}]`, problems, () => [fromJson(EndpointConfigSchema, json)]);
  });
  const [gateway = empty] = orProblem("the file", problems, () => [
    fromJson(GatewayConfigSchema, others as JsonValue),
  ]);
  const config = create(GatewayConfigSchema, { ...gateway, endpoints });
  return { config: keepValid(config, list.length, problems), problems };
}

/** Paths of all secrets that stand in files. */
export function secretFilesOf({ endpoints, quarantineKey }: GatewayConfig): string[] {
  const refs = endpoints.flatMap(({ secrets, provider: { value } }): (SecretRef | undefined)[] => {
    const fetchBack = value !== undefined && "fetchBack" in value ? value.fetchBack : undefined;
    return [...secrets, fetchBack?.clientId, fetchBack?.apiKey];
  });
  const paths = [...refs, quarantineKey].flatMap((ref) => {
    return ref?.source.case === "file" ? [ref.source.value] : [];
  });
  return [...new Set(paths)].sort();
}

function parseText(text: string, problems: string[]): Record<string, unknown> | undefined {
  const document = parseDocument(text, { uniqueKeys: true, prettyErrors: true });
  for (const { code, linePos } of document.errors) {
    problems.push(`line ${linePos?.[0].line ?? "?"}: not valid JSON or YAML (${code})`);
  }
  visit(document, {
    Alias: () => void problems.push("the file uses YAML aliases: write the values out"),
  });
  if (problems.length > 0) return undefined;
  const root: unknown = document.toJS();
  const isObject = typeof root === "object" && root !== null && !Array.isArray(root);
  return isObject ? (root as Record<string, unknown>) : undefined;
}

function orProblem<T>(place: string, problems: string[], decode: () => T[]): T[] {
  try {
    return decode();
  } catch (error) {
    problems.push(`${place}: ${withoutValue(error)}`);
    return [];
  }
}

/** `listed` is how many endpoints stand in the file, those that cannot be decoded included. */
function keepValid(config: GatewayConfig, listed: number, problems: string[]): GatewayConfig {
  const { endpoints } = config;
  const broken = validate(GatewayConfigSchema, config);
  for (const { field, problem } of broken) {
    if (endpoints.length === listed || field !== "endpoints") {
      problems.push(`${named(field, endpoints)}: ${problem}`);
    }
  }
  const valid = endpoints.filter(
    (_, index) => !broken.some(({ field }) => field.startsWith(`endpoints[${index}]`)),
  );
  return { ...config, endpoints: valid };
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
