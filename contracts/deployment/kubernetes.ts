// What a cluster has to let through, from the graph: everything is denied, and each edge has one
// rule. Bursar's own TLS goes from process to process, so a sidecar sees who connects and to which
// port, and not which method is called: that is for the gate of the service itself.

import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { optionOf } from "#mesh/policy/problem.ts";
import type { CodeGraph, CodeService } from "../graph/code.ts";
import type { Declared } from "../graph/declared.ts";

export const namespace = "bursar";
/** Where people's tools and services of other repositories run. */
export const clientNamespace = "bursar-clients";
/** docs/running.md names the variables that set them. */
export const ports = {
  mesh: 8443,
  browser: 8444,
  door: 8445,
  postgres: 5432,
  nats: 4222,
  collector: 4318,
  dns: 53,
  https: 443,
} as const;

/** Who takes webhooks from the Internet, and who asks somebody there, which no schema says. */
const doors: readonly string[] = ["webhook-gateway"];
const asksOutside: readonly string[] = ["cms-service", "webhook-gateway"];

export type Edges = {
  readonly service: string;
  /** Services that call it. */
  readonly callers: readonly string[];
  /** Services that it calls. */
  readonly callees: readonly string[];
  /** Whoever holds the scopes may call it. */
  readonly isOpen: boolean;
  readonly hasBrowsers: boolean;
  readonly hasDoor: boolean;
  readonly hasTables: boolean;
  readonly hasEvents: boolean;
  readonly asksOutside: boolean;
};

/** Of Bursar's own services; examples are not deployed. */
export function edgesOf(declared: Declared, code: CodeGraph): readonly Edges[] {
  const own = code.services.filter(({ room }) => !room.folder.startsWith("examples/"));
  return own.map((one) => edgesOfOne(declared, own, one));
}

function edgesOfOne(
  { methods }: Declared,
  own: readonly CodeService[],
  { service, room, produces, consumes }: CodeService,
): Edges {
  const all = [...methods.values()];
  const served = all.filter(({ server }) => server === service);
  const named = new Set(served.flatMap(({ callers }) => callers));
  const servers = new Set(
    all.filter(({ callers }) => callers.includes(service)).map(({ server }) => server),
  );
  const others = own.map((other) => other.service).filter((other) => other !== service);
  return {
    service,
    callers: others.filter((other) => named.has(other)),
    callees: others.filter((other) => servers.has(other)),
    isOpen: named.has("*"),
    hasBrowsers: served.some(({ desc }) => optionOf(desc, options.method)?.endUsers),
    hasDoor: doors.includes(service),
    hasTables: room.hasTables,
    hasEvents: produces.size + consumes.size > 0,
    asksOutside: asksOutside.includes(service),
  };
}

export type Manifest = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
};

/** By the name of their file. */
export function manifestsOf(edges: readonly Edges[]): ReadonlyMap<string, readonly Manifest[]> {
  return new Map([
    ["service-accounts.yaml", edges.map(({ service }) => accountOf(service))],
    ["certificates.yaml", edges.map(({ service }) => certificateOf(service))],
    ["network-policies.yaml", networkPolicies(edges)],
    ["authorization-policies.yaml", authorizationPolicies(edges)],
  ]);
}

const labelOf = (name: string) => ({ "app.kubernetes.io/name": name });
const podsOf = (name: string) => ({ podSelector: { matchLabels: labelOf(name) } });
const tcp = (port: number) => ({ protocol: "TCP", port });
const metadataOf = (name: string) => ({ name, namespace });

function accountOf(service: string): Manifest {
  const metadata = { ...metadataOf(service), labels: labelOf(service) };
  return { apiVersion: "v1", kind: "ServiceAccount", metadata };
}

function certificateOf(service: string): Manifest {
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: metadataOf(service),
    spec: {
      secretName: `${service}-tls`,
      issuerRef: { name: "bursar", kind: "Issuer" },
      uris: [`spiffe://bursar/${service}`],
      dnsNames: [service, `${service}.${namespace}.svc`],
      duration: "24h",
      renewBefore: "8h",
      privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      usages: ["digital signature", "server auth", "client auth"],
    },
  };
}

function networkPolicies(edges: readonly Edges[]): Manifest[] {
  const users = (has: "hasTables" | "hasEvents") => edges.filter((one) => one[has]);
  return [
    networkPolicy("default-deny", {
      podSelector: {},
      policyTypes: ["Ingress", "Egress"],
    }),
    ...edges.map((one) =>
      networkPolicy(one.service, {
        ...podsOf(one.service),
        policyTypes: ["Ingress", "Egress"],
        ingress: ingressOf(one),
        egress: egressOf(one),
      }),
    ),
    ...serverPolicy("postgres", ports.postgres, users("hasTables")),
    ...serverPolicy("nats", ports.nats, users("hasEvents")),
  ];
}

function networkPolicy(name: string, spec: Record<string, unknown>): Manifest {
  const metadata = metadataOf(name);
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata, spec };
}

function ingressOf({ callers, isOpen, hasBrowsers, hasDoor }: Edges) {
  const clients = { matchLabels: { "kubernetes.io/metadata.name": clientNamespace } };
  const mesh = [tcp(ports.mesh)];
  return [
    ...callers.map((caller) => ({ from: [podsOf(caller)], ports: mesh })),
    ...(isOpen ? [{ from: [{ namespaceSelector: clients }], ports: mesh }] : []),
    ...(hasBrowsers ? [{ ports: [tcp(ports.browser)] }] : []),
    ...(hasDoor ? [{ ports: [tcp(ports.door)] }] : []),
  ];
}

/** Of the Internet, without the networks that are nobody's. */
const internet = {
  ipBlock: {
    cidr: "0.0.0.0/0",
    except: ["10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"],
  },
};

function egressOf(edges: Edges) {
  const to = (name: string, port: number) => ({ to: [podsOf(name)], ports: [tcp(port)] });
  const names = { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } };
  return [
    {
      to: [{ namespaceSelector: names }],
      ports: [{ protocol: "UDP", port: ports.dns }, tcp(ports.dns)],
    },
    ...edges.callees.map((callee) => to(callee, ports.mesh)),
    ...(edges.hasTables ? [to("postgres", ports.postgres)] : []),
    ...(edges.hasEvents ? [to("nats", ports.nats)] : []),
    to("otel-collector", ports.collector),
    ...(edges.asksOutside ? [{ to: [internet], ports: [tcp(ports.https)] }] : []),
  ];
}

function serverPolicy(server: string, port: number, users: readonly Edges[]): Manifest[] {
  if (users.length === 0) return [];
  const ingress = users.map(({ service }) => ({ from: [podsOf(service)], ports: [tcp(port)] }));
  return [networkPolicy(server, { ...podsOf(server), policyTypes: ["Ingress"], ingress })];
}

function authorizationPolicies(edges: readonly Edges[]): Manifest[] {
  const users = (has: "hasTables" | "hasEvents") => {
    return edges.filter((one) => one[has]).map(({ service }) => service);
  };
  return [
    // An empty specification allows nothing to anybody in the namespace.
    authorizationPolicy("default-deny", {}),
    ...edges.map((one) => authorizationPolicy(one.service, allowed(one.service, rulesOf(one)))),
    ...serverRules("postgres", ports.postgres, users("hasTables")),
    ...serverRules("nats", ports.nats, users("hasEvents")),
  ];
}

function authorizationPolicy(name: string, spec: Record<string, unknown>): Manifest {
  const metadata = metadataOf(name);
  return { apiVersion: "security.istio.io/v1", kind: "AuthorizationPolicy", metadata, spec };
}

function allowed(service: string, rules: readonly unknown[]) {
  return { selector: { matchLabels: labelOf(service) }, action: "ALLOW", rules };
}

/** As Istio names a service account; Bursar's own certificates say `spiffe://bursar/<service>`. */
function principalOf(service: string): string {
  return `cluster.local/ns/${namespace}/sa/${service}`;
}

const toPort = (port: number) => ({ to: [{ operation: { ports: [String(port)] } }] });
const fromService = (service: string) => {
  return { from: [{ source: { principals: [principalOf(service)] } }] };
};

function rulesOf({ callers, isOpen, hasBrowsers, hasDoor }: Edges) {
  const clients = { from: [{ source: { namespaces: [clientNamespace] } }] };
  return [
    ...callers.map((caller) => ({ ...fromService(caller), ...toPort(ports.mesh) })),
    ...(isOpen ? [{ ...clients, ...toPort(ports.mesh) }] : []),
    ...(hasBrowsers ? [toPort(ports.browser)] : []),
    ...(hasDoor ? [toPort(ports.door)] : []),
  ];
}

function serverRules(server: string, port: number, users: readonly string[]): Manifest[] {
  if (users.length === 0) return [];
  const rules = users.map((user) => ({ ...fromService(user), ...toPort(port) }));
  return [authorizationPolicy(server, allowed(server, rules))];
}
