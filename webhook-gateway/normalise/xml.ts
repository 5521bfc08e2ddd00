// Reads a provider's XML as what its JSON would be, for `Payload`: elements with elements are
// objects, `type="array"` is an array, `nil="true"` is null, and all else is text as it was sent.
// Document types, and so entities of somebody's making, are refused; nesting is bounded.

import { XMLParser, XMLValidator } from "fast-xml-parser";
import type { Json, JsonMember } from "#mesh/rpc/json.ts";
import { malformed } from "./outcome.ts";
import { Payload } from "./payload.ts";

const depthMax = 32;

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: "",
  // Nothing is expanded, converted or trimmed: amounts stay the text that was sent.
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: depthMax,
});

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The root element, which must have this name. */
export function readXml(bytes: Uint8Array, rootName: string): Payload {
  const nodes = parse(bytes).filter((node) => !("#text" in node));
  const [root] = nodes;
  if (nodes.length !== 1 || !root || nameOf(root) !== rootName) {
    throw malformed(`the XML is not one ${rootName} element`);
  }
  const json = jsonOf(root, rootName);
  if (json.kind !== "object") throw malformed(`the XML's ${rootName} holds no elements`);
  return new Payload(json, "");
}

/** The parser's own shape: one member for the element, one for its attributes. */
type Node = { readonly [name: string]: unknown };

function parse(bytes: Uint8Array): Node[] {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw malformed("the XML is not valid UTF-8");
  }
  if (/<!(?!--|\[CDATA\[)/.test(text)) throw malformed("the XML declares a document type");
  const validity = XMLValidator.validate(text);
  if (validity !== true) throw malformed(`the body is not XML: ${validity.err.code}`);
  try {
    return parser.parse(text) as Node[];
  } catch {
    // The parser's words may repeat the payload.
    throw malformed(`the XML cannot be read, or is nested deeper than ${depthMax}`);
  }
}

function jsonOf(node: Node, path: string): Json {
  const attributes = (node[":@"] ?? {}) as Readonly<Record<string, string>>;
  const children = (node[nameOf(node)] ?? []) as readonly Node[];
  if (attributes["nil"] === "true") return { kind: "null" };
  const elements = children.filter((child) => !("#text" in child));
  const items = () => elements.map((child) => jsonOf(child, `${path}.${nameOf(child)}`));
  if (attributes["type"] === "array") return { kind: "array", items: items() };
  if (elements.length === 0) return textOf(children, attributes["type"]);

  const names = elements.map(nameOf);
  const seen = new Set<string>();
  const twice = names.find((name) => seen.size === seen.add(name).size);
  if (twice !== undefined) throw malformed(`the XML names ${path}.${twice} twice`);
  const values = items();
  return { kind: "object", members: names.map((name, at): JsonMember => [name, values[at]!]) };
}

function textOf(children: readonly Node[], type: string | undefined): Json {
  const value = decodeReferences(children.map((child) => String(child["#text"])).join(""));
  if (type === "boolean" && /^(true|false)$/.test(value)) {
    return { kind: "boolean", value: value === "true" };
  }
  return { kind: "string", value };
}

const predefined: Readonly<Record<string, string>> = {
  amp: "&",
  apos: "'",
  gt: ">",
  lt: "<",
  quot: '"',
};

/** XML's own five entities and characters by number; another reference stays as it was written. */
function decodeReferences(text: string): string {
  return text.replaceAll(
    /&(?:#([0-9]{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,4}));/gi,
    (all, ...codes) => {
      const [decimal, hex, name] = codes as (string | undefined)[];
      if (name !== undefined) return predefined[name] ?? all;
      const code = decimal === undefined ? Number.parseInt(hex ?? "", 16) : Number(decimal);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}

function nameOf(node: Node): string {
  return Object.keys(node).find((name) => name !== ":@") ?? "";
}
