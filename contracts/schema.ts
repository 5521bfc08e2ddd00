// A schema as it was built: from a folder of protos, or from an image that a release left.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const bytesMax = 2 ** 28;

/** The module or workspace of buf at the folder. Throws what buf said when it does not build. */
export function builtSchema(folder: string): FileRegistry {
  return registryOf(buildImage(folder));
}

export function buildImage(folder: string): Buffer {
  const args = ["build", folder, "--as-file-descriptor-set", "-o", "-"];
  const { status, stdout, stderr, error } = spawnSync("node_modules/.bin/buf", args, {
    maxBuffer: bytesMax,
  });
  if (status === 0) return stdout;
  const said = error ? String(error) : stderr.toString().trim();
  throw new Error(`${folder} does not build, mend it there: ${said}`, { cause: error });
}

/** Throws, naming the file and the remedy, when it is no image. */
export function readSchema(path: string): FileRegistry {
  try {
    return registryOf(readFileSync(path));
  } catch (cause) {
    const remedy = `take it from git again, or from its release: \`git checkout -- ${path}\``;
    throw new Error(`${path} is no image of a schema; ${remedy}`, { cause });
  }
}

function registryOf(bytes: Uint8Array): FileRegistry {
  const image = fromBinary(FileDescriptorSetSchema, bytes);
  if (image.file.length === 0) throw new Error("it holds no file");
  return createFileRegistry(image);
}
