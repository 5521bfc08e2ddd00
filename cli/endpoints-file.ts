// The endpoints that commands speak of: those of the gateway's own configuration
// file, read and proven exactly as the gateway does.

import { ConfigError } from "#mesh/process/config.ts";
import { type Endpoint, readEndpoints } from "../webhook-gateway/endpoints.ts";
import { Misuse } from "./command.ts";
import type { Surroundings } from "./surroundings.ts";

export function endpointsOf(file: string, env: NodeJS.ProcessEnv): readonly Endpoint[] {
  try {
    return [...readEndpoints(file, env, new Date()).endpoints.values()];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new Misuse(`${file} is refused:\n${error.problems.map((it) => `  ${it}`).join("\n")}`);
  }
}

/** The one endpoint with this id, or of this provider. */
export function chooseEndpoint(all: readonly Endpoint[], asked: string): Endpoint {
  const chosen = all.filter(({ endpointId, provider }) => {
    return endpointId === asked || provider.name === asked;
  });
  const [only] = chosen;
  if (only !== undefined && chosen.length === 1) return only;
  const list = (some: readonly Endpoint[]) =>
    some
      .map(({ endpointId, provider }) => `  ${provider.name.padEnd(14)} ${endpointId}`)
      .join("\n");
  throw new Misuse(
    only === undefined
      ? `no endpoint is called ${asked}; there are:\n${list(all)}`
      : `several endpoints are of ${asked}, name one by its id:\n${list(chosen)}`,
  );
}

export function endpointsFileOf(given: string | undefined, { need }: Surroundings): string {
  return given ?? need("BURSAR_ENDPOINTS_FILE");
}
