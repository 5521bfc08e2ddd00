// proto-foreign declares other people's contracts in our own words. What it says
// of buf.validate must equal the descriptor that validation runs with.

import { execFileSync } from "node:child_process";
import { createFileRegistry, type DescField, type DescFile, fromBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { expect, test } from "vitest";

const declared = declaredFacts();
const upstream = new Map(factsOf(file_buf_validate_validate));

test("the declaration is not empty", () => {
  expect(declared.length).toBeGreaterThan(80);
  for (const name of ["buf.validate.field", "buf.validate.StringRules.max_len"]) {
    expect(declared.map(([declaredName]) => declaredName)).toContain(name);
  }
});

test.each(declared)("%s is as upstream has it", (name, fact) => {
  expect(upstream.get(name)).toEqual(fact);
});

function declaredFacts(): [string, unknown][] {
  const options = ["build", "proto-foreign", "--as-file-descriptor-set", "-o", "-"];
  const image = execFileSync("node_modules/.bin/buf", options);
  const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  const file = files.getFile("buf/validate/validate.proto");
  if (!file) throw new Error("proto-foreign does not declare buf/validate/validate.proto");
  return factsOf(file);
}

/** What the wire and the generated code depend on, by full name. */
function factsOf(file: DescFile): [string, unknown][] {
  const facts: [string, unknown][] = [];
  for (const type of nestedTypes(file)) {
    if (type.kind === "message") {
      facts.push([type.typeName, "message"]);
      for (const field of type.fields) {
        facts.push([`${type.typeName}.${field.name}`, fieldFact(field)]);
      }
    } else if (type.kind === "enum") {
      facts.push([type.typeName, "enum"]);
      for (const { name, number } of type.values) facts.push([`${type.typeName}.${name}`, number]);
    } else if (type.kind === "extension") {
      facts.push([type.typeName, { ...fieldFact(type), extends: type.extendee.typeName }]);
    }
  }
  return facts;
}

function fieldFact(field: Pick<DescField, "number" | "proto" | "oneof">) {
  const { number, proto, oneof } = field;
  const { type, typeName, label } = proto;
  return { number, type, typeName, label, oneof: oneof?.name };
}
