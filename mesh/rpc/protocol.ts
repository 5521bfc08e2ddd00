// Which protocol a request speaks. Its headers tell, so that it can be refused in its own words
// before anything else of it is read.

import type { Request } from "./listener.ts";

export type Protocol = "connect" | "connect-stream" | "grpc" | "grpc-web";

export function protocolOf({ headers }: Request): Protocol {
  const type = headers["content-type"]?.toLowerCase();
  if (type === undefined || !type.startsWith("application/")) return "connect";
  if (type.startsWith("application/grpc-web")) return "grpc-web";
  if (type.startsWith("application/grpc")) return "grpc";
  return type.startsWith("application/connect+") ? "connect-stream" : "connect";
}

export function isGrpc(protocol: Protocol): boolean {
  return protocol === "grpc" || protocol === "grpc-web";
}

/** One value of a header; two of the same name are none. */
export function headerOf({ headers }: Request, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

/** Node keeps the first of several in silence, and somebody before us may have looked at another. */
export function isRepeated({ rawHeaders }: Request, name: string): boolean {
  let count = 0;
  for (let n = 0; n < rawHeaders.length; n += 2) {
    if (rawHeaders[n]?.toLowerCase() === name) count++;
  }
  return count > 1;
}
