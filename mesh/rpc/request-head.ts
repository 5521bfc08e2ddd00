// The head of a request, as far as it can be judged and handed on without its body: HTTP method and
// version, content type, declared length, authority, deadline.

import type { ConnectError } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { withHttpStatus } from "./answer-error.ts";
import { type BoundDeadline, boundDeadline, deadlineHeader } from "./deadline.ts";
import { refuseRequest } from "./errors.ts";
import type { Request } from "./listener.ts";
import { headerOf, isGrpc, type Protocol } from "./protocol.ts";
import type { Route } from "./routing.ts";

/** Throws the refusal of what no handler could read. */
export function requireReadable({ method, handler, rule }: Route, request: Request): void {
  const verb = request.method ?? "";
  if (!handler.allowedMethods.includes(verb)) {
    const allow = handler.allowedMethods.join(", ");
    throw refuseHead(405, `${verb} is not the HTTP method of an RPC, use ${allow}`, { allow });
  }
  if (method.methodKind === "bidi_streaming" && request.httpVersionMajor < 2) {
    throw refuseHead(505, "a stream in both directions needs HTTP/2", { connection: "close" });
  }
  if (verb === "GET") return;
  const type = headerOf(request, "content-type") ?? "";
  if (!handler.supportedContentType(type)) {
    throw refuseHead(415, "the content type belongs to no protocol that is spoken here", {
      "accept-post": "application/proto, application/json, application/grpc, application/grpc-web",
    });
  }
  const isStream =
    method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";
  const bytesMax = rule.door.readMaxBytes;
  const length = Number(headerOf(request, "content-length") ?? 0);
  if (!isStream && length > bytesMax + envelopeHeadBytes) throw tooLarge(bytesMax);
}

const envelopeHeadBytes = 5;

export function tooLarge(bytesMax: number): ConnectError {
  const text = `the request is larger than ${bytesMax} bytes`;
  return refuseRequest(RequestRefusal.TOO_LARGE, text);
}

function refuseHead(httpStatus: number, text: string, headers: Readonly<Record<string, string>>) {
  const error = refuseRequest(RequestRefusal.MALFORMED, text);
  for (const [name, value] of Object.entries(headers)) error.metadata.set(name, value);
  return withHttpStatus(error, httpStatus);
}

/** Throws the refusal of a deadline that cannot be read. */
export function deadlineOf({ rule }: Route, request: Request, protocol: Protocol): BoundDeadline {
  const name = deadlineHeader(isGrpc(protocol));
  const bound = boundDeadline(headerOf(request, name), isGrpc(protocol), rule.deadline);
  if (bound !== undefined) return bound;
  throw refuseRequest(RequestRefusal.MALFORMED, `${name} is not a deadline`, [
    { field: "", problem: `${name} cannot be read` },
  ]);
}

/** The headers as Connect wants them, with the deadline that the policy allows. */
export function headersOf(
  request: Request,
  protocol: Protocol,
  deadline: string | undefined,
): Headers {
  const headers = new Headers();
  try {
    for (const [name, value] of Object.entries(request.headers)) {
      if (name.startsWith(":") || value === undefined) continue;
      if (typeof value === "string") headers.append(name, value);
      else for (const one of value) headers.append(name, one);
    }
  } catch {
    throw refuseRequest(RequestRefusal.MALFORMED, "a header is malformed");
  }
  if (deadline !== undefined) headers.set(deadlineHeader(isGrpc(protocol)), deadline);
  return headers;
}

const host = /^([\w.-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i;

/** Throws the refusal of an authority that is no host: to some parser it would be one. */
export function urlOf(request: Request): string {
  const authority =
    ("authority" in request && request.authority) || headerOf(request, "host") || "localhost";
  if (!host.test(authority)) {
    throw refuseRequest(RequestRefusal.MALFORMED, "the authority is not a host");
  }
  return `https://${authority}${request.url}`;
}
