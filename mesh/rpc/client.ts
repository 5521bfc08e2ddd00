// The mesh client: Connect (or gRPC) over HTTP/2 with mutual TLS, to any number of endpoints. How a
// call finds its way, and when it is made again, is in docs/clients.md; the parts are in client/.

import { type DescService, hasOption } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { service as serviceOption } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { identityPrefix } from "../identity/tls.ts";
import { servicePolicy } from "../policy/policy.ts";
import type { TlsFiles } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { readAddress } from "./client/address.ts";
import { createRetryBudget } from "./client/budget.ts";
import { createClientMetrics } from "./client/client-metrics.ts";
import { createCredentials } from "./client/credentials.ts";
import { type EjectionPolicy, ejectionDefaults } from "./client/ejection.ts";
import { type EndpointView, openEndpoints } from "./client/endpoints.ts";
import { createResolve } from "./client/resolver.ts";
import { createMeshTransport } from "./client/transport.ts";

export type ClientOptions = {
  /**
   * `https://<host>:<port>`; a list of such, one an endpoint; or `dns:<name>:<port>`, where every
   * address of the name is an endpoint and the certificate is for the name.
   */
  readonly url: string | readonly string[];
  readonly tls: TlsFiles;
  /** Deadline of a call that sets none itself; it never outlives the call being served. */
  readonly timeoutMs?: number;
  readonly protocol?: "connect" | "grpc";
  /** Where the client counts its calls and shows its endpoints. */
  readonly metrics?: Metrics;
  /** Told when an endpoint is left alone, when a name is not found, and the like. */
  readonly log?: Log;
  readonly limits?: Partial<ClientLimits>;
};

export type ClientLimits = {
  /** Connections to one endpoint; another is made when three quarters of its streams are in use. */
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** How often a DNS name is looked up: after its TTL, within these bounds. */
  readonly refreshMsMin: number;
  readonly refreshMsMax: number;
  /** `<ip>:<port>` of name servers other than the system's. */
  readonly nameServers: readonly string[] | undefined;
  readonly ejection: Partial<EjectionPolicy>;
};

export const clientLimits: ClientLimits = {
  connectionsMax: 4,
  connectTimeoutMs: 5_000,
  refreshMsMin: 1_000,
  refreshMsMax: 30_000,
  nameServers: undefined,
  ejection: ejectionDefaults,
};

export type OpenClient<S extends DescService> = AsyncDisposable & {
  readonly rpc: Client<S>;
  readonly endpoints: {
    readonly list: () => readonly EndpointView[];
    /** Instead of those there are. One that is dropped finishes its calls and closes. */
    readonly replace: (urls: readonly string[]) => void;
  };
};

/** Of a call with all its attempts, where neither the client nor the call says otherwise. */
export const timeoutMsDefault = 10_000;
/** Where no policy says what callers may count on. */
const patienceMsDefault = 1_000;

/**
 * Connects with the first call. Closing it breaks the calls under way, with `canceled`: who closes
 * a client has waited for what matters. It leaves no connection, watch or timer behind; none of
 * them keeps a process from ending either.
 */
export function openClient<S extends DescService>(
  service: S,
  options: ClientOptions,
): OpenClient<S> {
  const { url, tls, timeoutMs = timeoutMsDefault, protocol = "connect", log } = options;
  const limits = { ...clientLimits, ...options.limits };
  const { refreshMsMin, refreshMsMax, connectionsMax, connectTimeoutMs } = limits;
  const policy = hasOption(service, serviceOption) ? servicePolicy(service) : undefined;
  const serverIdentity = policy?.identity ? `${identityPrefix}${policy.identity}` : undefined;
  const credentials = createCredentials({ tls, serverIdentity, log });
  const metrics = createClientMetrics(options.metrics, service.typeName);
  const random = Math.random;
  const endpoints = openEndpoints({
    address: readAddress(url),
    service: service.typeName,
    protocol,
    credentials,
    connectionsMax,
    connectTimeoutMs,
    refreshMsMin,
    refreshMsMax,
    resolve: createResolve(limits.nameServers),
    ejection: { ...ejectionDefaults, ...limits.ejection },
    patienceMs: policy?.objective?.latencyP99Ms ?? patienceMsDefault,
    metrics,
    log,
    random,
  });
  const caller = { endpoints, metrics, random, budget: createRetryBudget() };
  return {
    rpc: createClient(service, createMeshTransport(caller, timeoutMs)),
    endpoints: { list: endpoints.list, replace: endpoints.replace },
    async [Symbol.asyncDispose]() {
      await endpoints.close(new ConnectError("the client is closed", Code.Canceled));
      credentials[Symbol.dispose]();
    },
  };
}
