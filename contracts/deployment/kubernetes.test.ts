import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { readCode } from "../graph/code.ts";
import { readDeclared } from "../graph/declared.ts";
import { readRooms } from "../graph/rooms.ts";
import { builtSchema } from "../schema.ts";
import { type Edges, edgesOf, type Manifest, manifestsOf, ports } from "./kubernetes.ts";

const registry = builtSchema(".");
const edges = edgesOf(readDeclared(registry), readCode(readRooms("."), registry));

function read(name: string): Manifest[] {
  return parseAllDocuments(readFileSync(`deploy/kubernetes/${name}`, "utf8")).map((document) => {
    expect("errors" in document ? document.errors : document).toEqual([]);
    return document.toJS();
  });
}

type Rule = {
  readonly from?: readonly unknown[];
  readonly to?: readonly unknown[];
  readonly ports: readonly { readonly protocol: string; readonly port: number }[];
};
type NetworkSpec = {
  readonly podSelector: { readonly matchLabels?: Record<string, string> };
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
};
const specOf = (policies: readonly Manifest[], name: string) =>
  policies.find(({ metadata }) => metadata.name === name)?.["spec"];
const pods = (name: string) => ({
  podSelector: { matchLabels: { "app.kubernetes.io/name": name } },
});

test("every file is listed, and every object is of the namespace and has a name of its own", () => {
  const [kustomization] = read("kustomization.yaml");
  const files = globSync("*.yaml", { cwd: "deploy/kubernetes" });
  const listed = kustomization?.["resources"] as string[];
  expect([...listed, "kustomization.yaml"].sort()).toEqual(files.sort());
  for (const file of listed) {
    const objects = read(file);
    for (const { apiVersion, kind, metadata } of objects) {
      expect([apiVersion, kind]).toEqual([expect.any(String), expect.any(String)]);
      expect(metadata).toMatchObject({ name: expect.stringMatching(/^[a-z][a-z0-9-]{0,62}$/) });
      expect(metadata["namespace"]).toBe("bursar");
    }
    expect(new Set(objects.map(({ metadata }) => metadata.name)).size).toBe(objects.length);
  }
});

test("networks let nothing through but one rule an edge", () => {
  const policies = read("network-policies.yaml");
  const types = ["Ingress", "Egress"];
  expect(specOf(policies, "default-deny")).toEqual({ podSelector: {}, policyTypes: types });
  for (const { service, callers, callees } of edges) {
    const spec = specOf(policies, service) as NetworkSpec;
    expect(spec.podSelector).toEqual(pods(service).podSelector);
    expect(spec.policyTypes).toEqual(types);
    // A rule without ports, or with an empty list of peers, would let everything through.
    for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      expect(rule.ports.length).toBeGreaterThan(0);
      expect(rule.from ?? rule.to ?? ["nobody named"]).not.toEqual([]);
    }
    for (const rule of spec.egress ?? []) expect(rule.to).toBeDefined();
    const mesh = [{ protocol: "TCP", port: ports.mesh }];
    const from = callers.map((caller) => ({ from: [pods(caller)], ports: mesh }));
    const to = callees.map((callee) => ({ to: [pods(callee)], ports: mesh }));
    const named = (rule: Rule) => JSON.stringify(rule).includes(`"port":${ports.mesh}`);
    const isOfService = (rule: Rule) => named(rule) && JSON.stringify(rule).includes("podSelector");
    expect(spec.ingress?.filter(isOfService)).toEqual(from);
    expect(spec.egress?.filter(isOfService)).toEqual(to);
  }
});

test("who calls the ledger is let through to it, and nobody else of the services", () => {
  const policies = read("authorization-policies.yaml");
  expect(specOf(policies, "default-deny")).toEqual({});
  const cms = "cluster.local/ns/bursar/sa/cms-service";
  expect(specOf(policies, "ledger-service")).toEqual({
    selector: { matchLabels: { "app.kubernetes.io/name": "ledger-service" } },
    action: "ALLOW",
    rules: [
      {
        from: [{ source: { principals: [cms] } }],
        to: [{ operation: { ports: ["8443"] } }],
      },
      {
        from: [{ source: { namespaces: ["bursar-clients"] } }],
        to: [{ operation: { ports: ["8443"] } }],
      },
    ],
  });
});

test("accounts and certificates are named as the identities are", () => {
  const names = edges.map(({ service }) => service);
  expect(read("service-accounts.yaml").map(({ metadata }) => metadata.name)).toEqual(names);
  const uris = read("certificates.yaml").map(({ spec }) => (spec as { uris: unknown }).uris);
  expect(uris).toEqual(names.map((name) => [`spiffe://bursar/${name}`]));
});

test("a caller more is one more rule, and a service without callers has none", () => {
  const alone: Edges = {
    ...{ service: "till", callers: [], callees: [], isOpen: false, hasBrowsers: false },
    ...{ hasDoor: false, hasTables: false, hasEvents: false, asksOutside: false },
  };
  const ingressOf = (one: Edges) => {
    const policies = manifestsOf([one]).get("network-policies.yaml") ?? [];
    return (specOf(policies, "till") as NetworkSpec).ingress;
  };
  expect(ingressOf(alone)).toEqual([]);
  expect(ingressOf({ ...alone, callers: ["shop"] })).toEqual([
    { from: [pods("shop")], ports: [{ protocol: "TCP", port: ports.mesh }] },
  ]);
});
