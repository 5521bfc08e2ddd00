// How to ask a provider for what its webhook only points at: credentials of its
// API, by reference like every secret.

import type { EndpointConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { readSecretText, type SecretPlaces } from "../secrets.ts";

export type FetchBack = {
  /** Empty where the provider wants none. */
  readonly clientId: string;
  readonly apiKey: string;
  /** Another address than the provider's own, on loopback, for tests; empty: its own. */
  readonly apiBaseUrl: string;
};

/** Undefined where the endpoint names none. */
export function readFetchBack(
  { provider }: EndpointConfig,
  places: SecretPlaces,
  note: (problem: string) => void,
): FetchBack | undefined {
  const { value } = provider;
  const config = value !== undefined && "fetchBack" in value ? value.fetchBack : undefined;
  if (!config) return undefined;
  const read = (name: "client_id" | "api_key", ref: typeof config.apiKey) => {
    const text = ref ? readSecretText(ref, places) : "";
    if (typeof text === "string") return text;
    note(`fetch_back.${name}: ${text.problem}`);
    return "";
  };
  return {
    clientId: read("client_id", config.clientId),
    apiKey: read("api_key", config.apiKey),
    apiBaseUrl: config.apiBaseUrl,
  };
}
