// The endpoints of a client, added and dropped while calls run, and the choice between them.

import assert from "node:assert/strict";
import type { ConnectError } from "@connectrpc/connect";
import type { Log } from "../../process/log.ts";
import { type Patience, within } from "./abort.ts";
import { type Address, mergeAddresses, readOrigins } from "./address.ts";
import { chooseEndpoint, type EndpointState, isThereAnother } from "./choice.ts";
import type { ClientMetrics } from "./client-metrics.ts";
import type { Target } from "./dial.ts";
import { mayEject } from "./ejection.ts";
import { type Endpoint, type EndpointOptions, openEndpoint } from "./endpoint.ts";
import { outsideCalls } from "./outside-calls.ts";
import { type NameWatch, type NameWatchOptions, watchName } from "./resolver.ts";

export type EndpointsOptions = Omit<
  EndpointOptions,
  "target" | "mayEject" | "onState" | "onConnections"
> &
  Pick<NameWatchOptions, "resolve" | "refreshMsMin" | "refreshMsMax"> & {
    readonly address: Address;
    readonly metrics: ClientMetrics;
    readonly log: Log | undefined;
  };

export type Choice = { readonly endpoint: Endpoint; readonly isProbe: boolean };

export type Endpoints = {
  /** The endpoint for a call that has met others already. */
  readonly choose: (met: ReadonlySet<Endpoint>, patience: Patience) => Choice | Promise<Choice>;
  readonly isThereAnother: (met: ReadonlySet<Endpoint>) => boolean;
  /** Instead of those there are; one that is dropped finishes its calls and closes. */
  readonly replace: (urls: readonly string[]) => void;
  readonly list: () => readonly EndpointView[];
  /** Breaks what is under way. */
  readonly close: (reason: ConnectError) => Promise<void>;
};

export type EndpointView = {
  /** `https://<host>:<port>`, and where it is when the host has several addresses. */
  readonly name: string;
  readonly state: EndpointState;
  readonly inFlight: number;
};

const addressesMax = 64;

export function openEndpoints(options: EndpointsOptions): Endpoints {
  const { address, random } = options;
  let endpoints: readonly Endpoint[] = [];
  /** Dropped ones too, until their last call is over. */
  const open = new Set<Endpoint>();
  let names: NameWatch | undefined;
  let over: ConnectError | undefined;
  if (address.kind === "static") use(address.origins.map(anywhere));

  function use(targets: readonly Target[]): void {
    const known = new Map(endpoints.map((endpoint) => [nameOf(endpoint.target), endpoint]));
    endpoints = targets.map((target) => known.get(nameOf(target)) ?? add(target));
    const dropped = new Set(known.values()).difference(new Set(endpoints));
    for (const endpoint of dropped) void drop(endpoint);
    // Where there is no choice, nothing would follow from what a server says of itself.
    for (const endpoint of endpoints) endpoint.watchHealth(endpoints.length > 1);
  }

  function add(target: Target): Endpoint {
    const { metrics } = options;
    const endpoint = openEndpoint({
      ...options,
      target,
      mayEject: (cause) =>
        cause === "unreachable"
          ? endpoints.length > 1
          : mayEject(countEjected(), endpoints.length, options.ejection),
      onState: (from, cause) => changed(endpoint, from, cause),
      onConnections: metrics.connections,
    });
    open.add(endpoint);
    metrics.endpoints(endpoint.state, 1);
    return endpoint;
  }

  async function drop(endpoint: Endpoint): Promise<void> {
    options.metrics.endpoints(endpoint.state, -1);
    await endpoint.retire();
    open.delete(endpoint);
  }

  function countEjected(): number {
    return endpoints.filter(({ state }) => state === "ejected").length;
  }

  function changed(endpoint: Endpoint, from: EndpointState, cause: ConnectError | undefined): void {
    const { metrics, log } = options;
    const { state, target } = endpoint;
    if (!endpoints.includes(endpoint)) return;
    if (state === "ejected") names?.refresh();
    const fields = { endpoint: nameOf(target), service: options.service, state, from };
    if (state === from) {
      log?.debug("an endpoint is still left alone", { ...fields, error: cause });
      return;
    }
    metrics.endpoints(from, -1);
    metrics.endpoints(state, 1);
    if (state === "ejected") metrics.ejected();
    if (state === "healthy") log?.info("an endpoint is called again", fields);
    else log?.warn("an endpoint is left alone", { ...fields, error: cause });
  }

  async function chooseLater(met: ReadonlySet<Endpoint>, patience: Patience): Promise<Choice> {
    await within(findNames().known(), patience);
    return choose(met);
  }

  function choose(met: ReadonlySet<Endpoint>): Choice {
    if (over) throw over;
    const probed = endpoints.find(
      (endpoint) => endpoint.state === "ejected" && !met.has(endpoint) && endpoint.takesProbe(),
    );
    if (probed) return { endpoint: probed, isProbe: true };
    const endpoint = chooseEndpoint(endpoints, met, performance.now(), random);
    assert(endpoint, "a client has endpoints");
    return { endpoint, isProbe: false };
  }

  /** With the first call: a client that is never used asks nobody. */
  function findNames(): NameWatch {
    assert(address.kind === "dns", "a static list is never empty");
    const { name, origin } = address;
    names ??= outsideCalls(watchName, {
      ...options,
      name,
      onAddresses(found) {
        const inUse = endpoints.flatMap(({ target }) => target.address ?? []);
        const addresses = mergeAddresses(inUse, found, addressesMax, random);
        use(addresses.map((each) => ({ origin, address: each })));
      },
    });
    return names;
  }

  return {
    choose: (met, patience) =>
      endpoints.length > 0 || over ? choose(met) : chooseLater(met, patience),
    isThereAnother: (met) => isThereAnother(endpoints, met),
    replace(urls) {
      if (over) return;
      names?.stop();
      use(readOrigins(urls).map(anywhere));
    },
    list: () =>
      endpoints.map(({ target, state, inFlight }) => ({ name: nameOf(target), state, inFlight })),
    async close(reason) {
      if (over) return;
      over = reason;
      names?.stop();
      for (const endpoint of endpoints) options.metrics.endpoints(endpoint.state, -1);
      endpoints = [];
      await Promise.all([...open].map((endpoint) => endpoint.destroy(reason)));
    },
  };
}

function anywhere(origin: string): Target {
  return { origin, address: undefined };
}

function nameOf({ origin, address }: Target): string {
  return address === undefined ? origin : `${origin} at ${address}`;
}
