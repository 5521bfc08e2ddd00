// Writes the answer of Connect's handler. The one message of a unary call goes out with its end in
// one piece; a stream's messages go out as they come, no faster than the caller reads them.

import type { ServerResponse } from "node:http";
import type { ServerHttp2Stream } from "node:http2";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { writeGrpcMessage } from "./grpc-message.ts";
import type { Response } from "./listener.ts";

type Sink = ServerResponse | ServerHttp2Stream;

/** Who takes nothing of a stream for this long has left, whatever its connection says. */
const stalledMsMax = 60_000;

const nothing = new Uint8Array();

/** Rejects when the caller does not take the answer. */
export async function writeAnswer(
  answer: UniversalServerResponse,
  response: Response,
  isStream: boolean,
): Promise<void> {
  const chunks = answer.body?.[Symbol.asyncIterator]() ?? [].values();
  if (isStream) return writeStream(answer, response, chunks as AsyncIterator<Uint8Array>);
  const parts: Uint8Array[] = [];
  for (let part = await chunks.next(); !part.done; part = await chunks.next()) {
    parts.push(part.value);
  }
  // gRPC's error without a message. As headers alone it may be retried; behind headers its callers
  // take it for the end of an answer that has begun (gRFC A6). A handler's own headers stay apart.
  if (parts.length === 0 && answer.trailer && "stream" in response && !hasOwnHeaders(answer)) {
    const headers = { ...headersOf(answer), ...trailersOf(answer.trailer) };
    response.stream.respond({ ":status": answer.status, ...headers }, { endStream: true });
    return;
  }
  const sink = begin(answer, response);
  addTrailers(answer, response);
  const [only = nothing] = parts;
  const bytes = parts.length <= 1 ? only : Buffer.concat(parts);
  // A stream of HTTP/2 that ends while its last bytes are written is closed before they are, and
  // Node makes an error of that for nobody: a tenth of what a small call costs.
  if ("stream" in response && bytes.byteLength > 0) sink.write(bytes, () => sink.end());
  else sink.end(bytes);
}

async function writeStream(
  answer: UniversalServerResponse,
  response: Response,
  chunks: AsyncIterator<Uint8Array>,
): Promise<void> {
  let sink: Sink | undefined;
  try {
    // The first message comes before the headers: until then a handler may still set some.
    let chunk = await chunks.next();
    sink = begin(answer, response);
    for (; !chunk.done; chunk = await chunks.next()) {
      if (!sink.write(chunk.value)) await drained(sink);
      if (sink.destroyed) throw new Error("the caller left");
    }
    addTrailers(answer, response);
    sink.end();
  } catch (error) {
    sink?.destroy();
    await chunks.throw?.(error).catch(() => undefined);
    throw error;
  }
}

/** Straight to the stream: HTTP/1.1's likeness would look at every header twice. */
function begin(answer: UniversalServerResponse, response: Response): Sink {
  const headers = headersOf(answer);
  if (!("stream" in response)) {
    (response as ServerResponse).writeHead(answer.status, headers);
    return response as ServerResponse;
  }
  const waitForTrailers = answer.trailer !== undefined;
  response.stream.respond({ ":status": answer.status, ...headers }, { waitForTrailers });
  return response.stream;
}

function headersOf({ header }: UniversalServerResponse): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  header?.forEach((value, name) => {
    headers[name] = value;
  });
  const cookies = header?.getSetCookie() ?? [];
  if (cookies.length > 0) headers["set-cookie"] = cookies;
  return headers;
}

function hasOwnHeaders({ header }: UniversalServerResponse): boolean {
  return [...(header?.keys() ?? [])].some((name) => !/^(content-type$|grpc-)/.test(name));
}

function addTrailers({ trailer }: UniversalServerResponse, response: Response): void {
  if (trailer) (response as ServerResponse).addTrailers(trailersOf(trailer));
}

function trailersOf(trailer: Headers): Record<string, string> {
  const trailers: Record<string, string> = {};
  trailer.forEach((value, name) => {
    trailers[name] = value;
  });
  return writeGrpcMessage(trailers);
}

function drained(sink: Sink): Promise<void> {
  if (sink.destroyed) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer);
      sink.off("drain", done);
      sink.off("close", done);
      resolve();
    };
    const timer = setTimeout(() => {
      done();
      reject(new Error(`the caller took nothing for ${stalledMsMax} ms`));
    }, stalledMsMax);
    sink.once("drain", done);
    sink.once("close", done);
  });
}
