// Compiles echo.proto, the schema of the mesh's own tests.

import { readFileSync } from "node:fs";
import type { DescMessage, DescService } from "@bufbuild/protobuf";
import { compileSchemas } from "./schema.ts";

export type Echo = {
  readonly service: DescService;
  readonly request: DescMessage;
  readonly write: DescMessage;
  readonly response: DescMessage;
};

export function compileEcho(): Echo {
  const text = readFileSync(new URL("echo.proto", import.meta.url), "utf8");
  const registry = compileSchemas({ "bursar/testing/v1/echo.proto": text });
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
}
