// How calls stand in a trace, by OpenTelemetry's names for RPC. Client and server make one span
// each, from their two sides; what an answer's code means differs: a caller's mistake is no failure
// of the server.

import type { DescMethod } from "@bufbuild/protobuf";
import type { Attributes, SpanStart } from "./trace.ts";

/** `bursar.ledger.v1.LedgerService/PostTransaction` */
export function methodName({ parent, name }: DescMethod): string {
  return `${parent.typeName}/${name}`;
}

export function rpcSpan(
  method: DescMethod,
  kind: "server" | "client",
  parent?: string | null,
): SpanStart {
  const name = methodName(method);
  const attributes = { "rpc.system.name": "connectrpc", "rpc.method": name };
  // Watching somebody's health lasts as long as both live, and is part of nothing.
  const unrecorded = method.parent.typeName.startsWith("grpc.");
  return { name, kind, parent, attributes, unrecorded };
}

/** `code` as the Connect protocol spells it, `ok` for success. */
export function rpcOutcome(code: string): Attributes {
  return { "rpc.status_code": code, ...(code !== "ok" && { "error.type": code }) };
}

const serverFaults = new Set([
  "unknown",
  "deadline_exceeded",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
]);

/** Whether the span of the server failed; a client's span fails with any code but `ok`. */
export function isServerFault(code: string): boolean {
  return serverFaults.has(code);
}
