// Compiles schemas that exist only for a test: they are no part of the contract, so they have no
// place under proto/ and no generated code.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createFileRegistry, type FileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Texts by path; they may import everything under proto/ and buf/validate. */
export function compileSchemas(texts: Readonly<Record<string, string>>): FileRegistry {
  const folder = mkdtempSync(join(tmpdir(), "bursar-schemas-"));
  try {
    plantSchemas(folder, texts);
    const buf = join(root, "node_modules/.bin/buf");
    const image = execFileSync(buf, ["build", "--as-file-descriptor-set", "-o", "-"], {
      cwd: folder,
      maxBuffer: 64 * 1024 * 1024,
    });
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes the folder a module of buf with these texts in it. */
export function plantSchemas(folder: string, texts: Readonly<Record<string, string>>): void {
  cpSync(join(root, "proto/bursar"), join(folder, "bursar"), { recursive: true });
  cpSync(join(root, "proto-foreign/buf"), join(folder, "buf"), { recursive: true });
  for (const [path, text] of Object.entries(texts)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  writeFileSync(join(folder, "buf.yaml"), "version: v2\n");
}
