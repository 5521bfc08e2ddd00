// The plain paths beside the RPCs: /livez and /readyz for whoever starts the
// process, /metrics for who may read them, and the answer to everything else.

import type { ServerResponse } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { type Access, decideAccess } from "../identity/access.ts";
import type { Metrics } from "../process/metrics.ts";
import { answerError, withHttpStatus } from "./answer-error.ts";
import { refuseRequest } from "./errors.ts";
import { requireIdentity } from "./gate.ts";
import { mapError } from "./interceptors/errors.ts";
import { type Handle, type Request, type Response, socketOf } from "./listener.ts";
import { createUnserved } from "./unserved.ts";

export type ProbeOptions = {
  readonly access: Access;
  readonly metrics: Metrics;
  readonly ready: () => boolean;
};

const metricsPolicy = { scopes: ["mesh.metrics.read"] };
const unknownMethod = withHttpStatus(
  refuseRequest(RequestRefusal.UNKNOWN_METHOD, "no such method is served here"),
  404,
);

export function createProbes(options: ProbeOptions): Handle {
  const unserved = createUnserved(options.metrics);
  return (request, response) => {
    const path = request.url?.split("?", 1)[0];
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && path === "/livez") sendText(response, 200, "live\n");
    else if (isRead && path === "/readyz") {
      const ready = options.ready();
      sendText(response, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
    } else if (isRead && path === "/metrics") void sendMetrics(options, request, response);
    else {
      unserved("unknown_method");
      sendUnknown(request, response);
    }
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
    const { text, contentType } = await metrics.scrape(request.headers.accept);
    sendText(response, 200, text, contentType);
  } catch (error) {
    answerError(request, response, mapError(error).error);
  }
}

/** Who has no identity does not learn which methods there are. */
function sendUnknown(request: Request, response: Response): void {
  try {
    requireIdentity(socketOf(request));
    answerError(request, response, unknownMethod);
  } catch (error) {
    answerError(request, response, mapError(error).error);
  }
}

function sendText(response: Response, status: number, text: string, type = "text/plain"): void {
  (response as ServerResponse).writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
  });
  (response as ServerResponse).end(text);
}
