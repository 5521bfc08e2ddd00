// What came to a port and never became a call: handshakes that failed, bytes that are no HTTP, paths
// that nobody serves. Counted, because it is how an attack or a wrong configuration looks; told
// apart only roughly, because the details are the peer's words.

import type { Http2SecureServer } from "node:http2";
import type { Duplex } from "node:stream";
import { errorToJsonBytes } from "@connectrpc/connect/protocol-connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { refuseRequest } from "./errors.ts";

export type Unserved = "tls" | "http1" | "http2" | "unknown_method";

export function createUnserved(metrics: Metrics | undefined): (reason: Unserved) => void {
  const counter = metrics?.counter({
    name: "bursar_rpc_unserved_total",
    help: "Connections and requests that never became a call, by what was wrong with them",
    labels: ["reason"],
  });
  return (reason) => counter?.inc({ reason });
}

/** Counts what fails below the requests, and answers what HTTP/1.1 still can be answered. */
export function watchUnserved(
  server: Http2SecureServer,
  { log, metrics }: { readonly log: Log; readonly metrics?: Metrics | undefined },
): void {
  const count = createUnserved(metrics);
  server.on("tlsClientError", (error) => {
    count("tls");
    log.debug("TLS handshake failed", { error });
  });
  server.on("sessionError", (error) => {
    count("http2");
    log.debug("HTTP/2 session failed", { error });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket: Duplex) => {
    // Handshakes that fail come here too; of HTTP/1.1, what else comes was said with the first.
    const isHttp = error.code === requestTimeout || error.code?.startsWith("HPE_");
    if (!isHttp || socket.writableEnded) return void socket.destroy();
    count("http1");
    log.debug("HTTP/1.1 request failed", { error });
    if (socket.writable) socket.end(answerTo(error.code));
    else socket.destroy();
  });
}

const requestTimeout = "ERR_HTTP_REQUEST_TIMEOUT";
const statuses: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  [requestTimeout]: "408 Request Timeout",
};

function answerTo(code = ""): string {
  const status = statuses[code] ?? "400 Bad Request";
  const refusal =
    code === "HPE_HEADER_OVERFLOW" ? RequestRefusal.TOO_LARGE : RequestRefusal.MALFORMED;
  const body = errorToJsonBytes(
    refuseRequest(refusal, "the request is no HTTP that is spoken here"),
    undefined,
  );
  const head = [
    `HTTP/1.1 ${status}`,
    "content-type: application/json",
    `content-length: ${body.byteLength}`,
    "connection: close",
  ];
  return `${head.join("\r\n")}\r\n\r\n${Buffer.from(body)}`;
}
