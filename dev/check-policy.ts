// Everything that is wrong with the policies in proto/, at once, each with its file and line: what
// would keep a service from starting, told before one is started. `make check` runs it.
// `node dev/check-policy.ts <folder>` checks another module of buf.

import { spawnSync } from "node:child_process";
import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { createFileRegistry, type DescFile, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { type Declared, describeProblem, fileOf } from "#mesh/policy/problem.ts";
import { schemaProblems } from "#mesh/policy/schema-problems.ts";

// Numbers of the fields in google/protobuf/descriptor.proto that lead to each thing.
const inFile = { options: 8, message: 4, service: 6 };
const inMessage = { field: 2, nested: 3 };
const inService = { method: 2 };

const [folder = "proto"] = process.argv.slice(2);

const files = builtFiles(folder);
const problems = schemaProblems(files)
  .map((problem) => {
    const file = relative(".", join(folder, `${fileOf(problem.at).name}.proto`));
    return { file, line: lineOf(problem.at), text: describeProblem(problem) };
  })
  .sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
for (const { file, line, text } of problems) console.log(`${file}:${line}: ${text}`);
const services = files.flatMap((file) => file.services);
console.log(
  problems.length > 0
    ? `${problems.length} problems; docs/policy.md says what each option asks for`
    : `the policies of ${services.length} services in ${files.length} files hold`,
);
process.exit(problems.length === 0 && services.length > 0 ? 0 : 1);

/** The files of the module itself, without those that they import from elsewhere. */
function builtFiles(module: string): DescFile[] {
  const options = ["build", module, "--as-file-descriptor-set", "-o", "-"];
  const { status, stdout, stderr, error } = spawnSync("node_modules/.bin/buf", options, {
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) {
    console.error(error ?? stderr.toString());
    process.exit(1);
  }
  const own = new Set(globSync("**/*.proto", { cwd: module }));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, stdout));
  return [...registry.files].filter(({ name }) => own.has(`${name}.proto`));
}

/** Where the thing begins in its file, from 1. */
function lineOf(desc: Declared): number {
  const wanted = pathOf(desc).join(".");
  const { sourceCodeInfo } = fileOf(desc).proto;
  const location = sourceCodeInfo?.location.find(({ path }) => path.join(".") === wanted);
  return (location?.span[0] ?? 0) + 1;
}

function pathOf(desc: Declared): readonly number[] {
  switch (desc.kind) {
    case "file":
      return [inFile.options, 50_001];
    case "service":
      return [inFile.service, desc.file.proto.service.indexOf(desc.proto)];
    case "rpc":
      return [
        ...pathOf(desc.parent),
        inService.method,
        desc.parent.proto.method.indexOf(desc.proto),
      ];
    case "field":
      return [...pathOf(desc.parent), inMessage.field, desc.parent.proto.field.indexOf(desc.proto)];
    default: {
      const { parent, file, proto } = desc;
      if (parent === undefined) return [inFile.message, file.proto.messageType.indexOf(proto)];
      return [...pathOf(parent), inMessage.nested, parent.proto.nestedType.indexOf(proto)];
    }
  }
}
