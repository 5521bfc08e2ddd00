// HTTP/2 requests byte by byte, as no client would send them, and what came back: which code and
// which reason, whatever the protocol says it in.

import { type ClientHttp2Session, type ClientHttp2Stream, constants } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import { endStreamFromJson, errorFromJsonBytes } from "@connectrpc/connect/protocol-connect";
import { findTrailerError } from "@connectrpc/connect/protocol-grpc";
import { trailerParse } from "@connectrpc/connect/protocol-grpc-web";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { codeName } from "../rpc/call-record.ts";
import { requestRefusalOf } from "../rpc/errors.ts";

export type RawRequest = {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** A function writes by itself, and ends what it wants to end. */
  readonly body?: Uint8Array | string | ((stream: ClientHttp2Stream) => void);
  /** How long an answer is waited for. */
  readonly timeoutMs?: number;
};

export type RawAnswer = {
  /** Undefined: the stream was closed without an answer. */
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** `ok`, or the code and the reason: `invalid_argument MALFORMED`. */
  readonly outcome: string;
  /** Everything that was said, for whoever looks for what should not be said. */
  readonly text: string;
};

export const echoPath = "/bursar.testing.v1.EchoService/Echo";

export function exchange(session: ClientHttp2Session, request: RawRequest): Promise<RawAnswer> {
  const { path = echoPath, headers = {}, body = "", timeoutMs = 8_000 } = request;
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>();
  const given = Object.entries(headers).filter(([, value]) => value !== undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    ...(Object.fromEntries(given) as Record<string, string>),
  });
  const received: Record<string, string> = {};
  let status: number | undefined;
  const chunks: Buffer[] = [];
  const note = (block: object) => {
    for (const [name, value] of Object.entries(block)) received[name] = String(value);
  };
  stream.on("response", (block) => {
    status = Number(block[":status"]);
    note(block);
  });
  stream.on("trailers", note);
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  // A reset is an answer too: the status stays undefined, or says what came before.
  stream.on("error", () => undefined);
  const late = setTimeout(() => {
    reject(new Error("no answer came"));
    stream.close();
  }, timeoutMs);
  stream.on("close", () => {
    clearTimeout(late);
    const bytes = Buffer.concat(chunks);
    const text = `${JSON.stringify(received)} ${bytes.toString("latin1")}`;
    const isReset = status === undefined || stream.rstCode !== constants.NGHTTP2_NO_ERROR;
    const outcome = isReset ? `reset ${stream.rstCode}` : outcomeOf(received, bytes);
    resolve({ status, headers: received, body: bytes, outcome, text });
  });
  if (typeof body === "function") body(stream);
  // Of a GET the stream has ended with its headers.
  else if (headers[":method"] !== "GET") stream.end(body);
  return promise;
}

function outcomeOf(headers: Readonly<Record<string, string>>, body: Buffer): string {
  let error: ConnectError | undefined;
  try {
    error = errorOf(headers, body);
  } catch {
    // Cut off, if it was we who closed the stream; of a whole answer a mistake.
    return "unreadable";
  }
  if (error === undefined) return "ok";
  const refusal = requestRefusalOf(error)?.refusal;
  const reason = Object.entries(RequestRefusal).find(([, value]) => value === refusal)?.[0];
  return [codeName(error.code), ...(reason ? [reason] : [])].join(" ");
}

function errorOf(
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): ConnectError | undefined {
  const type = headers["content-type"] ?? "";
  if (headers["grpc-status"] !== undefined) return findTrailerError(new Headers(plain(headers)));
  if (type.startsWith("application/grpc-web"))
    return findTrailerError(trailerParse(lastFrame(body)));
  if (type.startsWith("application/connect+")) return endStreamFromJson(lastFrame(body)).error;
  if (headers[":status"] === "200") return undefined;
  return errorFromJsonBytes(body, undefined, new Error("not a typed answer") as never);
}

function plain(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(":")));
}

function lastFrame(body: Buffer): Buffer {
  let at = 0;
  for (;;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end >= body.byteLength) return body.subarray(at + 5, end);
    at = end;
  }
}

/** A message with its head, as gRPC and streams of Connect send it. */
export function framed(message: Uint8Array | string, flags = 0): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.from([flags, 0, 0, 0, 0]);
  head.writeUInt32BE(bytes.byteLength, 1);
  return Buffer.concat([head, bytes]);
}
