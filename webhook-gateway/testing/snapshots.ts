// Endpoints in force for tests of the door, and a store that keeps what it is given.

import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { parseTrustedProxies, type TrustedProxies } from "../door/addresses.ts";
import type { Endpoint, EndpointsSnapshot } from "../endpoints.ts";
import type { StoreOptions, StoreWebhooks } from "../store-webhook.ts";
import { providerSamples, type Sample } from "./provider-samples.ts";

export const samples: ReadonlyMap<string, Sample> = new Map(
  providerSamples().map((sample) => [sample.name, sample]),
);

export function sample(name: string): Sample {
  const found = samples.get(name);
  if (!found) throw new Error(`no sample ${name}, there are ${[...samples.keys()].join(", ")}`);
  return found;
}

/** Every sample's endpoint, each as it is or as `over` changes it. */
export function snapshotOf(
  over: (endpoint: Endpoint) => Partial<Endpoint> = () => ({}),
  snapshot: Partial<EndpointsSnapshot> = {},
): EndpointsSnapshot {
  const endpoints = [...samples.values()].map(({ endpoint }) => ({
    ...endpoint,
    ...over(endpoint),
  }));
  return {
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.endpointId, endpoint])),
    trustedProxies: proxies([]),
    unverifiedLimit: { perMinute: 60, burst: 100_000 },
    quarantineKey: undefined,
    ...snapshot,
  };
}

export function proxies(networks: readonly string[]): TrustedProxies {
  const parsed = parseTrustedProxies(networks);
  if ("problems" in parsed) throw new Error(parsed.problems.join());
  return parsed;
}

export function createKeepingStore() {
  const stored: { webhooks: readonly WebhookReceived[]; options: StoreOptions }[] = [];
  const store: StoreWebhooks = async (webhooks, options) => {
    stored.push({ webhooks, options });
    return { durable: true, duplicate: false, where: "broker" };
  };
  return { store, stored };
}
