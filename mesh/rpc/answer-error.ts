// Answers a request with an error before Connect has seen it, in the protocol of the request. What
// the body still brings is let go: nobody reads it.

import type { ServerResponse } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  codeToHttpStatus,
  endStreamFlag,
  endStreamToJson,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { writeGrpcMessage } from "./grpc-message.ts";
import type { Request, Response } from "./listener.ts";
import { type Protocol, protocolOf } from "./protocol.ts";

const httpStatuses = new WeakMap<ConnectError, number>();

/** The HTTP status that says it, instead of the one that belongs to the error's code. */
export function withHttpStatus(error: ConnectError, httpStatus: number): ConnectError {
  httpStatuses.set(error, httpStatus);
  return error;
}

export function answerError(request: Request, response: Response, error: ConnectError): void {
  const protocol = protocolOf(request);
  const { status, headers, body } = encoded(error, protocol);
  // Only the answer to one message has a type of its own; the end of a stream, and of a gRPC call,
  // comes in the codec of the request.
  const type = protocol === "connect" ? headers["content-type"] : request.headers["content-type"];
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (type !== undefined) response.setHeader("content-type", type);
  // All at once: to grpc-js, headers are trailers only where the stream ends with them.
  (response as ServerResponse).end(body);
  // Left alone, what was sent of the body would keep the stream open.
  if ("stream" in request) request.stream?.resume();
  else request.resume();
}

type Encoded = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
};

/** The refusals of a flood are few and the same: each is encoded once. */
const known = new WeakMap<ConnectError, Map<Protocol, Encoded>>();

function encoded(error: ConnectError, protocol: Protocol): Encoded {
  let answers = known.get(error);
  if (answers === undefined) {
    answers = new Map();
    known.set(error, answers);
  }
  let answer = answers.get(protocol);
  if (answer === undefined) {
    answer = encode(error, protocol);
    answers.set(protocol, answer);
  }
  return answer;
}

function encode(error: ConnectError, protocol: Protocol): Encoded {
  if (protocol === "connect") {
    const body = errorToJsonBytes(error, undefined);
    const headers = {
      ...Object.fromEntries(error.metadata),
      "content-type": "application/json",
      "content-length": `${body.byteLength}`,
    };
    return { status: httpStatuses.get(error) ?? codeToHttpStatus(error.code), headers, body };
  }
  if (protocol === "connect-stream") {
    const json = JSON.stringify(endStreamToJson(new Headers(), error, undefined));
    const body = encodeEnvelope(endStreamFlag, Buffer.from(json));
    return { status: 200, headers: {}, body };
  }
  // Of an answer that is nothing but trailers, the trailers are the headers.
  const trailers = Object.fromEntries(setTrailerStatus(new Headers(), error));
  // gRPC has one status of HTTP, but for who does not speak it.
  const status = httpStatuses.get(error) === 415 ? 415 : 200;
  return { status, headers: writeGrpcMessage(trailers), body: undefined };
}
