// What a name in a file means: something that was generated from the schema, or a constant of the
// room. What would have to be run to be known is Unreadable, never passed over.

import { dirname, join } from "node:path";
import type { DescMessage, DescService, FileRegistry } from "@bufbuild/protobuf";
import type { Room } from "./rooms.ts";
import { bare, type Node, nodesIn, propertyOf, type Source, Unreadable, wordOf } from "./source.ts";

export type Import = {
  /** As it is written: `#gen/…`, `./…` or a package. */
  readonly module: string;
  /** `*` for all of the module. */
  readonly name: string;
};

export type Names = {
  readonly room: Room;
  readonly registry: FileRegistry;
};

const known = new WeakMap<Source, ReadonlyMap<string, Import>>();

/** By the name in this file. */
export function importsOf(source: Source): ReadonlyMap<string, Import> {
  let imports = known.get(source);
  if (imports === undefined) {
    imports = new Map(readImports(source));
    known.set(source, imports);
  }
  return imports;
}

function* readImports({ program }: Source): Generator<[string, Import]> {
  for (const statement of program["body"] as readonly Node[]) {
    if (statement.type !== "ImportDeclaration") continue;
    const module = wordOf(statement["source"]) ?? "";
    for (const specifier of statement["specifiers"] as readonly Node[]) {
      const isOne = specifier.type === "ImportSpecifier";
      const name = isOne ? (wordOf(specifier["imported"]) ?? "") : "*";
      yield [wordOf(specifier["local"]) ?? "", { module, name }];
    }
  }
}

/** The services that an import from gen/ brings: one, or all of its file. */
export function servicesOf({ module, name }: Import, registry: FileRegistry): DescService[] {
  const services = fileOf(module, registry)?.services ?? [];
  return services.filter((service) => name === "*" || name === service.name);
}

export function eventOf(found: Import | undefined, registry: FileRegistry) {
  if (found === undefined) return undefined;
  const messages = fileOf(found.module, registry)?.messages ?? [];
  return messages.find(({ name }) => found.name === `${name}Schema`);
}

function fileOf(module: string, registry: FileRegistry) {
  const [, name] = /^#gen\/(.*)_pb\.ts$/.exec(module) ?? [];
  return name === undefined ? undefined : registry.getFile(`${name}.proto`);
}

export type Mentioned = {
  readonly event: DescMessage;
  readonly source: Source;
  readonly node: Node;
};

/** The events of a list, of a handler (`on(…)`) or of a consumer (`{ events }`). */
export function eventsIn(names: Names, source: Source, written: Node): Mentioned[] {
  const node = bare(written);
  switch (node.type) {
    case "ArrayExpression":
      return (node["elements"] as readonly Node[]).flatMap((it) => eventsIn(names, source, it));
    case "SpreadElement":
      return eventsIn(names, source, node["argument"] as Node);
    case "CallExpression": {
      const callee = wordOf(node["callee"]) ?? "";
      const [first] = node["arguments"] as readonly Node[];
      const isHandler = importsOf(source).get(callee)?.module.startsWith("#mesh/service/");
      if (isHandler && first) return eventsIn(names, source, first);
      break;
    }
    case "ObjectExpression": {
      const events = propertyOf(node, "events");
      if (events) return eventsIn(names, source, events);
      break;
    }
    case "Identifier": {
      const event = eventOf(importsOf(source).get(wordOf(node) ?? ""), names.registry);
      if (event) return [{ event, source, node }];
      const constant = constantOf(names, source, node);
      return eventsIn(names, constant.source, constant.node);
    }
  }
  throw new Unreadable(source.placeOf(node), "is no list of events that can be read");
}

export function textOf(names: Names, source: Source, node: Node): string {
  const value = literalOf(names, source, node);
  if (typeof value === "string") return value;
  throw new Unreadable(source.placeOf(node), "is no text that can be read");
}

export function numberOf(names: Names, source: Source, node: Node): number {
  const value = literalOf(names, source, node);
  if (typeof value === "number") return value;
  throw new Unreadable(source.placeOf(node), "is no number that can be read");
}

function literalOf(names: Names, source: Source, written: Node): unknown {
  const node = bare(written);
  if (node.type !== "Identifier") return node["value"];
  return bare(constantOf(names, source, node).node)["value"];
}

/** The object itself, or the one that the name was given. */
export function objectIn(names: Names, source: Source, written: Node) {
  const node = bare(written);
  const found = node.type === "Identifier" ? constantOf(names, source, node) : { source, node };
  const object = bare(found.node);
  if (object.type === "ObjectExpression") return { source: found.source, node: object };
  throw new Unreadable(source.placeOf(node), "is no object that can be read");
}

/** What a name was given, in this file or in another of the room. */
function constantOf({ room }: Names, source: Source, node: Node) {
  const name = wordOf(node) ?? "";
  const found = importsOf(source).get(name);
  const isNear = found?.module.startsWith(".");
  const from = isNear ? room.sources.get(join(dirname(source.path), found!.module)) : source;
  if (from === undefined || (found && !isNear)) {
    throw new Unreadable(source.placeOf(node), `${name} comes from outside ${room.folder}`);
  }
  const wanted = found?.name ?? name;
  const given = [...nodesIn(from.program)].filter((it) => {
    return it.type === "VariableDeclarator" && wordOf(it["id"]) === wanted && it["init"] !== null;
  });
  const [only, ...others] = given;
  if (only === undefined || others.length > 0) {
    const how = only ? "is given several times" : "is given nowhere that can be read";
    throw new Unreadable(source.placeOf(node), `${name} ${how}`);
  }
  return { source: from, node: only["init"] as Node };
}
