// Which methods of other services the code of a service calls, and how long it waits for them. A
// call is every place that names such a method, in any file of the service: a client that is handed
// on is followed by its methods' names. What only a run could tell is a mistake of its own.

import type { DescMethod, DescService } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { nameOf, optionOf } from "#mesh/policy/problem.ts";
import { timeoutMsDefault } from "#mesh/rpc/client.ts";
import type { Place } from "../place.ts";
import { importsOf, type Names, numberOf, servicesOf } from "./names.ts";
import { bare, type Node, nodesIn, propertyOf, type Source, Unreadable, wordOf } from "./source.ts";

export type CodeCall = {
  /** Full name of the method. */
  readonly method: string;
  readonly place: Place;
  /** The longest it waits, with all attempts. */
  readonly timeoutMs: number;
};

export type CodeCalls = { readonly calls: readonly CodeCall[]; readonly unreadable: Unreadable[] };

export function callsOf(names: Names, service: string): CodeCalls {
  const unreadable: Unreadable[] = [];
  const sources = [...names.room.sources.values()];
  const foreign = new Set(
    sources.flatMap((source) => foreignIn(names, source, service).filter(isOfOne)),
  );
  const timeouts = new Map<DescService, number>();
  for (const source of sources) {
    for (const node of nodesIn(source.program)) {
      attempt(unreadable, () => readClient(names, source, node, timeouts));
    }
    unreadable.push(...bareClients(source));
  }
  if (foreign.size === 0) return { calls: [], unreadable };

  const methods = [...foreign].flatMap((desc) => desc.methods);
  const byName = Map.groupBy(methods, ({ localName }) => localName);
  const calls = sources.flatMap((source) => {
    const isNear = foreignIn(names, source, service).length > 0;
    return [...namedIn(names, source, byName, isNear, unreadable)];
  });
  return {
    calls: calls.map(({ method, place, timeoutMs }) => {
      const ofClient = timeouts.get(method.parent) ?? timeoutMsDefault;
      return { method: nameOf(method), place, timeoutMs: timeoutMs ?? ofClient };
    }),
    unreadable,
  };
}

function attempt(unreadable: Unreadable[], read: () => void): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    unreadable.push(error);
  }
}

function foreignIn({ registry }: Names, source: Source, service: string): DescService[] {
  return [...importsOf(source).values()]
    .flatMap((found) => servicesOf(found, registry))
    .filter((desc) => identityOf(desc) !== service);
}

/** Those for operators are every service's. */
function isOfOne(desc: DescService): boolean {
  return identityOf(desc) !== "";
}

function identityOf(desc: DescService): string {
  return optionOf(desc, options.service)?.identity ?? "";
}

function readClient(
  names: Names,
  source: Source,
  node: Node,
  timeouts: Map<DescService, number>,
): void {
  if (node.type === "ImportExpression" && isGenerated(node["source"])) {
    throw new Unreadable(source.placeOf(node), "a service is imported while it runs: import it");
  }
  if (node.type !== "CallExpression") return;
  const imports = importsOf(source);
  const callee = imports.get(wordOf(node["callee"]) ?? "");
  if (callee?.module !== "#mesh/rpc/client.ts" || callee.name !== "openClient") return;
  const [first, settings] = node["arguments"] as readonly Node[];
  const found = imports.get(wordOf(first) ?? "");
  const [desc] = found ? servicesOf(found, names.registry) : [];
  if (desc === undefined || !isOfOne(desc)) {
    const what = "a client is opened of a service that cannot be told: name one from gen/";
    throw new Unreadable(source.placeOf(node), what);
  }
  const timeoutMs = timeoutIn(names, source, settings) ?? timeoutMsDefault;
  timeouts.set(desc, Math.max(timeouts.get(desc) ?? 0, timeoutMs));
}

function isGenerated(node: unknown): boolean {
  return wordOf(node)?.startsWith("#gen/") ?? true;
}

/** Undefined where nothing is said. */
function timeoutIn(names: Names, source: Source, written: Node | undefined): number | undefined {
  if (written === undefined) return undefined;
  const node = bare(written);
  const isPlain =
    node.type === "ObjectExpression" &&
    (node["properties"] as readonly Node[]).every(({ type }) => type === "Property");
  if (!isPlain) {
    const what = "how long a call waits cannot be told: write the options where they are used";
    throw new Unreadable(source.placeOf(node), what);
  }
  const timeoutMs = propertyOf(node, "timeoutMs");
  return timeoutMs && numberOf(names, source, timeoutMs);
}

/** Clients that are opened in another way: nobody knows what they call. */
function bareClients(source: Source): Unreadable[] {
  const opened = [...importsOf(source).values()].filter(({ module, name }) => {
    if (module === "#mesh/rpc/client.ts") return name === "*";
    const isOfClients = /^(@connectrpc\/|@grpc\/|#mesh\/rpc\/client\/)/.test(module);
    return isOfClients && /^(create\w*(Client|Transport)|\*)$/.test(name);
  });
  return opened.map(({ name, module }) => {
    const what = `${name} of ${module} opens a client past the mesh: import openClient by name`;
    return new Unreadable(source.placeOf(source.program), what);
  });
}

type Named = {
  readonly method: DescMethod;
  readonly place: Place;
  readonly timeoutMs: number | undefined;
};

function* namedIn(
  names: Names,
  source: Source,
  byName: ReadonlyMap<string, readonly DescMethod[]>,
  isNear: boolean,
  unreadable: Unreadable[],
): Generator<Named> {
  const settings = new Map<Node, Node | undefined>();
  const taken = new Set<Node>();
  for (const node of nodesIn(source.program, new Set(["TSTypeQuery"]))) {
    if (node.type === "CallExpression") {
      settings.set(bare(node["callee"] as Node), (node["arguments"] as readonly Node[])[1]);
    }
    if (node.type === "ObjectPattern") {
      for (const property of node["properties"] as readonly Node[]) taken.add(property);
    }
    const isNaming = node.type === "MemberExpression" || taken.has(node);
    const found = (isNaming && byName.get(namedBy(node) ?? "")) || [];
    if (isNear && isComputed(source, node)) {
      const what = "a method may be named here that only a run knows: name it";
      unreadable.push(new Unreadable(source.placeOf(node), what));
    }
    let timeoutMs: number | undefined;
    if (found.length > 0) {
      attempt(unreadable, () => {
        timeoutMs = timeoutIn(names, source, settings.get(node));
      });
    }
    for (const method of found) yield { method, place: source.placeOf(node), timeoutMs };
  }
}

/** `rpc.getBalance`, `rpc["getBalance"]`, or `{ getBalance }` taken out of something. */
function namedBy(node: Node): string | undefined {
  if (node.type === "MemberExpression") {
    const key = node["property"] as Node;
    return node["computed"] && key.type === "Identifier" ? undefined : wordOf(key);
  }
  return node["computed"] ? undefined : wordOf(node["key"]);
}

/** Something is looked up by a name that is not written there, in what is no table of the file's. */
function isComputed(source: Source, node: Node): boolean {
  if (node.type !== "MemberExpression" || !node["computed"]) return false;
  if (bare(node["property"] as Node).type === "Literal") return false;
  return !importsOf(source).has(wordOf(bare(node["object"] as Node)) ?? "");
}
