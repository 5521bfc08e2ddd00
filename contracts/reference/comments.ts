// The comments of a schema, which are its reference. They are in an image that was built with its
// source; a generated descriptor has none.

import type { AnyDesc, DescFile } from "@bufbuild/protobuf";

// Numbers of the fields in google/protobuf/descriptor.proto that lead to each thing.
const inFile = { message: 4, enum: 5, service: 6 };
const inMessage = { field: 2, nested: 3, enum: 4 };
const inEnum = { value: 2 };
const inService = { method: 2 };

type Commented = Exclude<AnyDesc, { kind: "file" | "extension" | "oneof" }>;

/** The comment before the thing, as one paragraph a blank line. Empty where there is none. */
export function commentOf(desc: Commented): string {
  const wanted = pathOf(desc).join(".");
  const text = commentsOf(fileOf(desc)).get(wanted) ?? "";
  return text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replace(/\s+/g, " ").trim())
    .filter((paragraph) => paragraph !== "")
    .join("\n\n");
}

const known = new WeakMap<DescFile, ReadonlyMap<string, string>>();

function commentsOf(file: DescFile): ReadonlyMap<string, string> {
  let comments = known.get(file);
  if (comments === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    comments = new Map(
      locations.map(({ path, leadingComments }) => [path.join("."), leadingComments]),
    );
    known.set(file, comments);
  }
  return comments;
}

function fileOf(desc: Commented): DescFile {
  if (desc.kind === "rpc" || desc.kind === "field" || desc.kind === "enum_value") {
    return desc.parent.file;
  }
  return desc.file;
}

function pathOf(desc: Commented): readonly number[] {
  switch (desc.kind) {
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
