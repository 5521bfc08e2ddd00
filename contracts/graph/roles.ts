// What a service says in its code that it is: its name, and the events that it tells and reads. It
// stands in its definition (`ServiceDefinition`) or in what it has checked (`checkEvents`).

import type { Place } from "../place.ts";
import {
  eventOf,
  eventsIn,
  importsOf,
  type Mentioned,
  type Names,
  objectIn,
  textOf,
} from "./names.ts";
import { bare, isNode, type Node, nodesIn, propertyOf, type Source, wordOf } from "./source.ts";

export type Roles = {
  readonly service: string;
  readonly place: Place;
  /** By full name: where it says so. */
  readonly produces: ReadonlyMap<string, Place>;
  readonly consumes: ReadonlyMap<string, Place>;
  /** Of those, the ones that nothing else in the code speaks of. */
  readonly idle: ReadonlyMap<string, Place>;
};

/** Undefined where nothing says it. */
export function rolesOf(names: Names): Roles | undefined {
  for (const source of names.room.sources.values()) {
    for (const node of nodesIn(source.program)) {
      const object = definitionIn(node) ?? checkedIn(source, node);
      if (object) return readRoles(names, objectIn(names, source, object));
    }
  }
  return undefined;
}

/** Typed so, or found to satisfy the type. */
function definitionIn(node: Node): Node | undefined {
  if (node.type === "TSSatisfiesExpression") {
    return isDefinition(node["typeAnnotation"]) ? (node["expression"] as Node) : undefined;
  }
  if (node.type !== "VariableDeclarator") return undefined;
  const annotation = (node["id"] as Node)["typeAnnotation"];
  const isTyped = isNode(annotation) && isDefinition(annotation["typeAnnotation"]);
  return isTyped ? ((node["init"] as Node | null) ?? undefined) : undefined;
}

function isDefinition(type: unknown): boolean {
  return isNode(type) && wordOf(type["typeName"]) === "ServiceDefinition";
}

function checkedIn(source: Source, node: Node): Node | undefined {
  if (node.type !== "CallExpression") return undefined;
  const found = importsOf(source).get(wordOf(node["callee"]) ?? "");
  if (found?.module !== "#mesh/policy/check.ts" || found.name !== "checkEvents") return undefined;
  return (node["arguments"] as readonly Node[])[0];
}

function readRoles(names: Names, { source, node }: { source: Source; node: Node }): Roles {
  const listed = (name: string): Mentioned[] => {
    const list = propertyOf(node, name);
    return list ? eventsIn(names, source, list) : [];
  };
  const [produces, consumes] = [listed("produces"), listed("consumes")];
  const said = new Set([...produces, ...consumes].map((one) => one.node));
  const used = mentionsIn(names, said);
  const handled = new Set([...used, ...handledIn(names, propertyOf(node, "consumes"))]);
  const idle = [
    ...produces.filter(({ event }) => !used.has(event.typeName)),
    ...consumes.filter(({ event }) => !handled.has(event.typeName)),
  ];
  const service = propertyOf(node, "service") ?? node;
  return {
    service: textOf(names, source, service),
    place: source.placeOf(node),
    produces: placesOf(produces),
    consumes: placesOf(consumes),
    idle: placesOf(idle),
  };
}

/** What a consumer of the room reads, or a handler that stands in the list itself. */
function* handledIn(names: Names, list: Node | undefined): Generator<string> {
  for (const source of names.room.sources.values()) {
    for (const node of nodesIn(source.program)) {
      const isListed = node.type === "CallExpression" && list && isWithin(node, list);
      const isConsumer = node.type === "ObjectExpression" && propertyOf(node, "stream");
      const events = isListed ? node : isConsumer ? propertyOf(node, "events") : undefined;
      if (events === undefined) continue;
      for (const { event } of eventsIn(names, source, events)) yield event.typeName;
    }
  }
}

function isWithin(node: Node, list: Node): boolean {
  return bare(list).type === "ArrayExpression" && (bare(list)["elements"] as Node[]).includes(node);
}

/** Events that the code does something with, their types and the lists left aside. */
function mentionsIn({ room, registry }: Names, lists: ReadonlySet<Node>): ReadonlySet<string> {
  const found = new Set<string>();
  for (const source of room.sources.values()) {
    const imports = importsOf(source);
    for (const node of nodesIn(source.program, typesAndImports)) {
      if (node.type !== "Identifier" || lists.has(node)) continue;
      const event = eventOf(imports.get(node["name"] as string), registry);
      if (event) found.add(event.typeName);
    }
  }
  return found;
}

const typesAndImports = new Set(["ImportDeclaration", "TSTypeQuery"]);

function placesOf(mentioned: readonly Mentioned[]): ReadonlyMap<string, Place> {
  return new Map(mentioned.map((it) => [it.event.typeName, it.source.placeOf(it.node)]));
}
