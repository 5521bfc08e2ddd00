// The mesh as a browser sees it: the same calls behind another gate. Who calls is always
// `spiffe://bursar/browser`, whose grant bounds what any page may do, and a user's token, which
// narrows it. What is not meant for end users is not there.

import type { ServerResponse } from "node:http";
import type { UniversalHandler, UniversalHandlerFn } from "@connectrpc/connect/protocol";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { browserIdentity, identityPrefix } from "../../identity/tls.ts";
import type { Log } from "../../process/log.ts";
import type { Metrics } from "../../process/metrics.ts";
import { createAdapter } from "../adapter.ts";
import { answerError, withHttpStatus } from "../answer-error.ts";
import { refuseRequest } from "../errors.ts";
import { createGate, type Gate, type GateOptions } from "../gate.ts";
import type { Handle, Request, Response } from "../listener.ts";
import { headerOf, protocolOf } from "../protocol.ts";
import type { Route } from "../routing.ts";
import type { Serve } from "../serve.ts";
import { answerHeaders, crossOriginOf, preflightHeaders } from "./cors.ts";

export type BrowserOptions = {
  readonly origins: readonly string[];
  readonly routes: readonly Route[];
  readonly serveBehind: (gate: Gate) => Serve;
  readonly access: GateOptions["access"];
  readonly verifyToken: GateOptions["verifyToken"];
  readonly log: Log;
  readonly metrics: Metrics;
};

const browserName = browserIdentity.slice(identityPrefix.length);

const refusals = {
  origin: refuseRequest(
    RequestRefusal.CALLER_NOT_ADMITTED,
    "pages of this origin may not call: it is not among the origins of this listener",
  ),
  protocol: withHttpStatus(
    refuseRequest(RequestRefusal.MALFORMED, "gRPC is not spoken here: use Connect or gRPC-Web"),
    415,
  ),
  token: refuseRequest(
    RequestRefusal.UNAUTHENTICATED,
    "the call carries no user's token: expected `authorization: Bearer <token>`",
  ),
  method: refuseRequest(
    RequestRefusal.CALLER_NOT_ADMITTED,
    `${browserIdentity} may not call it: nothing here but what end users may do`,
  ),
};

export function createBrowserHandle(options: BrowserOptions): Handle {
  const { log, metrics, access, verifyToken } = options;
  const origins = new Set(options.origins);
  const refused = metrics.counter({
    name: "bursar_browser_refused_total",
    help: "Requests of browsers that reached no method, by reason",
    labels: ["reason"],
  });
  const refuse = (reason: keyof typeof refusals, request: Request, response: Response) => {
    refused.inc({ reason });
    answerError(request, response, refusals[reason]);
  };
  const gate = createGate({
    access,
    verifyToken,
    identify: () => browserIdentity,
    tokenRequired: true,
  });
  const serve = createAdapter({
    routes: options.routes.filter(isForBrowsers).map(withAnswerHeaders),
    serve: options.serveBehind(gate),
    fallback: (request, response) => refuse("method", request, response),
    log,
  });

  return (request, response) => {
    const asked = crossOriginOf(request.headers, origins);
    if (asked.kind === "listed" && request.method === "OPTIONS") {
      (response as ServerResponse).writeHead(204, preflightHeaders(asked.origin)).end();
      return;
    }
    for (const [name, value] of Object.entries(answerHeaders(asked))) {
      response.setHeader(name, value);
    }
    if (asked.kind === "stranger") return refuse("origin", request, response);
    if (protocolOf(request) === "grpc") return refuse("protocol", request, response);
    if (headerOf(request, "authorization") === undefined) {
      return refuse("token", request, response);
    }
    serve(request, response);
  };

  function isForBrowsers({ rule }: Route): boolean {
    if (rule.gate.kind !== "policy" || !rule.gate.endUsers) return false;
    return rule.gate.callers.some((name) => name === "*" || name === browserName);
  }

  /** What a handler answers is written past the headers that were set before. */
  function withAnswerHeaders(route: Route): Route {
    const { handler } = route;
    const answer: UniversalHandlerFn = async (request) => {
      const answered = await handler(request);
      const header = new Headers(answered.header);
      const asked = crossOriginOf({ origin: request.header.get("origin") ?? undefined }, origins);
      for (const [name, value] of Object.entries(answerHeaders(asked))) header.set(name, value);
      return { ...answered, header };
    };
    const { service, method, requestPath, protocolNames, allowedMethods } = handler;
    const { supportedContentType } = handler;
    const kept = { service, method, requestPath, protocolNames, allowedMethods };
    const wrapped: UniversalHandler = Object.assign(answer, kept, { supportedContentType });
    return { ...route, handler: wrapped };
  }
}
