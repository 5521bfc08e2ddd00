// Where a thing of the schema stands in its file, so that whoever reads a finding can go there. Only
// an image that was built with its source knows the line.

import type { AnyDesc, DescFile, Registry } from "@bufbuild/protobuf";
import { nameOf } from "#mesh/policy/problem.ts";

export type Place = {
  /** From the root of the repository. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
};

// Numbers of the fields in google/protobuf/descriptor.proto that lead to each thing.
const inFile = { package: 2, message: 4, enum: 5, service: 6 };
const inMessage = { field: 2, nested: 3, enum: 4 };
const inEnum = { value: 2 };
const inService = { method: 2 };

export type Placed = Exclude<AnyDesc, { kind: "extension" | "oneof" }>;

export function placeOf(desc: Placed): Place {
  const file = fileOf(desc);
  const wanted = pathOf(desc).join(".");
  const locations = file.proto.sourceCodeInfo?.location ?? [];
  const location = locations.find(({ path }) => path.join(".") === wanted);
  return { file: `proto/${file.name}.proto`, line: (location?.span[0] ?? 0) + 1 };
}

/** Messages, fields, services and methods by their full names. */
export function placesIn(registry: Registry): ReadonlyMap<string, Place> {
  const places = new Map<string, Place>();
  for (const desc of registry) {
    if (desc.kind !== "message" && desc.kind !== "service") continue;
    const within = desc.kind === "message" ? desc.fields : desc.methods;
    for (const each of [desc, ...within]) places.set(nameOf(each), placeOf(each));
  }
  return places;
}

export function fileOf(desc: Placed): DescFile {
  if (desc.kind === "file") return desc;
  if (desc.kind === "rpc" || desc.kind === "field" || desc.kind === "enum_value") {
    return desc.parent.file;
  }
  return desc.file;
}

/** The way to it through the descriptor of its file. */
export function pathOf(desc: Placed): readonly number[] {
  switch (desc.kind) {
    case "file":
      return [inFile.package];
    case "service":
      return [inFile.service, desc.file.proto.service.indexOf(desc.proto)];
    case "rpc": {
      const place = desc.parent.proto.method.indexOf(desc.proto);
      return [...pathOf(desc.parent), inService.method, place];
    }
    case "field": {
      const place = desc.parent.proto.field.indexOf(desc.proto);
      return [...pathOf(desc.parent), inMessage.field, place];
    }
    case "enum_value": {
      const place = desc.parent.proto.value.indexOf(desc.proto);
      return [...pathOf(desc.parent), inEnum.value, place];
    }
    case "enum": {
      const { parent, file, proto } = desc;
      if (parent === undefined) return [inFile.enum, file.proto.enumType.indexOf(proto)];
      return [...pathOf(parent), inMessage.enum, parent.proto.enumType.indexOf(proto)];
    }
    default: {
      const { parent, file, proto } = desc;
      if (parent === undefined) return [inFile.message, file.proto.messageType.indexOf(proto)];
      return [...pathOf(parent), inMessage.nested, parent.proto.nestedType.indexOf(proto)];
    }
  }
}
