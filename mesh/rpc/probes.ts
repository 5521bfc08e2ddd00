// The plain paths beside the RPCs: /livez and /readyz for whoever starts the
// process, /metrics for who may read them, and the answer to everything else.

import type { ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Access, decideAccess } from "../identity/access.ts";
import type { Metrics } from "../process/metrics.ts";
import { codeName } from "./call-record.ts";
import { requireIdentity } from "./gate.ts";
import type { Handle, Request, Response } from "./listener.ts";

export type ProbeOptions = {
  readonly access: Access;
  readonly metrics: Metrics;
  readonly ready: () => boolean;
};

const metricsPolicy = { scopes: ["mesh.metrics.read"] };
const httpStatus: Partial<Record<Code, number>> = {
  [Code.InvalidArgument]: 400,
  [Code.Unauthenticated]: 401,
  [Code.PermissionDenied]: 403,
  [Code.Unimplemented]: 404,
};

export function createProbes(options: ProbeOptions): Handle {
  return (request, response) => {
    const path = request.url?.split("?", 1)[0];
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && path === "/livez") sendText(response, 200, "live\n");
    else if (isRead && path === "/readyz") {
      const ready = options.ready();
      sendText(response, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
    } else if (isRead && path === "/metrics") void sendMetrics(options, request, response);
    else sendUnknown(request, response);
  };
}

async function sendMetrics(
  { access, metrics }: ProbeOptions,
  request: Request,
  response: Response,
) {
  try {
    const identity = requireIdentity(socketOf(request));
    const grant = access.get(identity);
    if (!grant || !decideAccess(metricsPolicy, grant).allowed) {
      throw new ConnectError(`${identity} lacks ${metricsPolicy.scopes}`, Code.PermissionDenied);
    }
    sendText(response, 200, await metrics.render(), metrics.contentType);
  } catch (error) {
    sendError(request, response, ConnectError.from(error));
  }
}

/** Who has no identity does not learn which methods there are. */
function sendUnknown(request: Request, response: Response): void {
  try {
    requireIdentity(socketOf(request));
    throw new ConnectError("no such method", Code.Unimplemented);
  } catch (error) {
    sendError(request, response, ConnectError.from(error));
  }
}

/** In the protocol of the request: gRPC reads trailers, everybody else a status and JSON. */
export function sendError(request: Request, response: Response, error: ConnectError): void {
  const type = request.headers["content-type"] ?? "";
  if (type.startsWith("application/grpc")) {
    (response as ServerResponse).writeHead(200, {
      "content-type": type,
      "grpc-status": `${error.code}`,
      "grpc-message": encodeURIComponent(error.rawMessage),
    });
    (response as ServerResponse).end();
    return;
  }
  const body = JSON.stringify({ code: codeName(error.code), message: error.rawMessage });
  sendText(response, httpStatus[error.code] ?? 500, body, "application/json");
}

function sendText(response: Response, status: number, text: string, type = "text/plain"): void {
  (response as ServerResponse).writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  (response as ServerResponse).end(text);
}

/** The real socket of the connection; undefined when it is gone. */
export function socketOf(request: Request): TLSSocket | undefined {
  // Of a stream's own socket there is another proxy for each stream.
  const socket = "stream" in request ? request.stream.session?.socket : request.socket;
  return socket as TLSSocket | undefined;
}
