// TypeScript as it stands in the files, parsed: what is written in it, and where.

import { parseSync } from "vite";
import type { Place } from "../place.ts";

/** By the ESTree specification and its TypeScript extension. */
export type Node = {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [part: string]: unknown;
};

export type Source = {
  readonly path: string;
  readonly program: Node;
  placeOf(node: Node): Place;
};

/** Something that the code says in a way that only a run could tell what it is. */
export class Unreadable extends Error {
  readonly place: Place;

  constructor(place: Place, what: string) {
    super(what);
    this.place = place;
  }
}

export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  const placeOf = ({ start }: Node) => {
    return { file: path, line: text.slice(0, start).split("\n").length };
  };
  const source = { path, program: program as unknown as Node, placeOf };
  const [error] = errors;
  if (error) throw new Unreadable({ file: path, line: 1 }, `is no TypeScript: ${error.message}`);
  return source;
}

/** The node and all within it, from the outside in, but for what is left out. */
export function* nodesIn(node: Node, leaveOut: ReadonlySet<string> = none): Generator<Node> {
  if (leaveOut.has(node.type)) return;
  yield node;
  for (const part of Object.values(node)) {
    for (const inner of Array.isArray(part) ? part : [part]) {
      if (isNode(inner)) yield* nodesIn(inner, leaveOut);
    }
  }
}

const none: ReadonlySet<string> = new Set();

export function isNode(value: unknown): value is Node {
  return typeof (value as Node | null | undefined)?.type === "string";
}

/** Without what only the type checker reads. */
export function bare(node: Node): Node {
  const wrapped = /^(TSAs|TSSatisfies|TSNonNull|Parenthesized|Chain)Expression$/.test(node.type);
  return wrapped ? bare(node["expression"] as Node) : node;
}

/** The text of an identifier or a string; undefined for anything else. */
export function wordOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return node["name"] as string;
  return typeof node["value"] === "string" ? node["value"] : undefined;
}

/** What the object says under the name; undefined where it says nothing. */
export function propertyOf(object: Node, name: string): Node | undefined {
  const properties = object["properties"] as readonly Node[];
  const found = properties.find((it) => !it["computed"] && wordOf(it["key"]) === name);
  return found?.["value"] as Node | undefined;
}
