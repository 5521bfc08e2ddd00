// One endpoint from its part of the configuration file: the provider, its keys,
// each tried, and what the endpoint does otherwise than its provider.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  type EndpointConfig,
  EndpointConfigSchema,
  OutagePolicy,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { parseAddressPolicy } from "../door/addresses.ts";
import type { Endpoint } from "../endpoints.ts";
import { parseFilter } from "../filter/filter.ts";
import { type AckProfile, type Provider, retryHorizonMsShort } from "../providers/provider.ts";
import { createProvider } from "../providers/registry.ts";
import { activeKeys, readSecret, type Secret, type SecretPlaces } from "../secrets.ts";
import { selfTest } from "../self-test.ts";
import { readFetchBack } from "./fetch-back.ts";

const bodyBytesMaxDefault = 262_144;
const toleranceMsDefault = 300_000;
const keepHoursDefault = 24;
const keptPerMinuteDefault = 60;

type Note = (problem: string) => void;

/** Undefined when not even its provider can be told; every problem is noted. */
export function createEndpoint(
  config: EndpointConfig,
  places: SecretPlaces,
  now: Date,
  note: Note,
): Endpoint | undefined {
  const provider = createProvider(config.provider);
  if ("problems" in provider) {
    for (const problem of provider.problems) note(`${nameOf(config)}.${problem}`);
    return undefined;
  }
  return {
    endpointId: config.endpointId,
    tenantId: config.tenantId,
    providerAccount: config.providerAccount,
    ledgerId: config.ledgerId,
    provider,
    secrets: readSecrets(config, provider, places, now, note),
    bodyBytesMax: config.bodyBytesMax || bodyBytesMaxDefault,
    toleranceMs: config.toleranceMs || toleranceMsDefault,
    ack: ackOf(config, provider, note),
    spool: spoolOf(config, provider, places, note),
    addresses: addressesOf(config, note),
    gzip: config.contentEncodings.includes("gzip"),
    quarantine: config.quarantine && {
      keepMs: (config.quarantine.keepHours || keepHoursDefault) * 3_600_000,
      perMinute: config.quarantine.perMinute || keptPerMinuteDefault,
    },
    filter: filterOf(config, note),
    fetchBack: readFetchBack(config, places, (problem) => note(`${nameOf(config)}.${problem}`)),
  };
}

/** Name of the provider's field, as it stands in the file. */
function nameOf({ provider }: EndpointConfig): string {
  return (
    EndpointConfigSchema.fields.find(({ localName }) => localName === provider.case)?.name ?? ""
  );
}

function readSecrets(
  config: EndpointConfig,
  provider: Provider,
  places: SecretPlaces,
  now: Date,
  note: Note,
): Secret[] {
  if (provider.coverage === Coverage.NOTHING) {
    if (config.secrets.length > 0) {
      note(`secrets: ${nameOf(config)} signs nothing here, so no secret can verify it`);
    }
    return [];
  }
  if (config.secrets.length === 0) {
    note("secrets: none is named, and without one nothing can be verified");
  }
  const secrets = config.secrets.flatMap((ref, index): Secret[] => {
    const secret = readSecret(ref, provider, places);
    if ("problem" in secret) {
      note(`secrets[${index}]: ${secret.problem}`);
      return [];
    }
    const failure = selfTest(provider, secret, now);
    if (failure) note(`secrets[${index}]: the self-test ${failure}`);
    return [secret];
  });
  const fingerprints = secrets.map(({ fingerprint }) => fingerprint);
  if (new Set(fingerprints).size < fingerprints.length) {
    note("secrets: the same key is named twice");
  }
  if (secrets.length > 0 && activeKeys(secrets, now).length === 0) {
    note("secrets: none is active now, check not_before_time and not_after_time");
  }
  return secrets;
}

const bodilessStatuses = [204, 205];

function ackOf({ ack }: EndpointConfig, provider: Provider, note: Note): AckProfile {
  if (!ack) return provider.ack;
  const { status, body, contentType } = ack;
  if (bodilessStatuses.includes(status) && body !== "") {
    note(`ack.body: an answer ${status} has no body`);
  }
  return { status, body, contentType: contentType || "text/plain" };
}

function spoolOf(
  { outagePolicy }: EndpointConfig,
  { patience }: Provider,
  { env }: SecretPlaces,
  note: Note,
): boolean {
  if (outagePolicy === OutagePolicy.UNSPECIFIED) {
    return patience.retryHorizonMs < retryHorizonMsShort;
  }
  const spool = outagePolicy === OutagePolicy.SPOOL;
  if (spool && !env["SPOOL_DIR"]) note("outage_policy: SPOOL needs SPOOL_DIR, which is not set");
  return spool;
}

function addressesOf({ addresses }: EndpointConfig, note: Note): Endpoint["addresses"] {
  if (!addresses) return undefined;
  const policy = parseAddressPolicy(addresses);
  if (!("problems" in policy)) return policy;
  for (const problem of policy.problems) note(problem);
  return undefined;
}

function filterOf({ filter: expression }: EndpointConfig, note: Note): Endpoint["filter"] {
  if (expression === "") return undefined;
  const filter = parseFilter(expression);
  if (!("problem" in filter)) return filter;
  note(`filter: ${filter.problem}`);
  return undefined;
}
