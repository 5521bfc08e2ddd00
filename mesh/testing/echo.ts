// Compiles echo.proto, the schema of the mesh's own tests. It is not part of the
// contract, so it has no place under proto/ and no generated code.

import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  createFileRegistry,
  createRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const root = fileURLToPath(new URL("../../", import.meta.url));

export type Echo = {
  readonly service: DescService;
  readonly request: DescMessage;
  readonly write: DescMessage;
  readonly response: DescMessage;
};

export function compileEcho(): Echo {
  const folder = mkdtempSync(join(tmpdir(), "bursar-echo-"));
  try {
    cpSync(join(root, "proto/bursar/mesh"), join(folder, "bursar/mesh"), { recursive: true });
    cpSync(join(root, "proto-foreign/buf"), join(folder, "buf"), { recursive: true });
    cpSync(join(root, "mesh/testing/echo.proto"), join(folder, "echo.proto"));
    writeFileSync(join(folder, "buf.yaml"), "version: v2\n");
    const buf = join(root, "node_modules/.bin/buf");
    const image = execFileSync(buf, ["build", "--as-file-descriptor-set", "-o", "-"], {
      cwd: folder,
    });
    const files = createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
    const registry = createRegistry(...files.files);
    const message = (name: string) => {
      const found = registry.getMessage(`bursar.testing.v1.${name}`);
      if (!found) throw new Error(`echo.proto has no message ${name}`);
      return found;
    };
    const service = registry.getService("bursar.testing.v1.EchoService");
    if (!service) throw new Error("echo.proto has no EchoService");
    return {
      service,
      request: message("EchoRequest"),
      write: message("WriteRequest"),
      response: message("EchoResponse"),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
