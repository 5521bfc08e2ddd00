// The door's answers. A provider learns whether to send again, and nothing about
// why: reasons go to metrics and logs. No answer is a redirect or 410, which make
// providers switch an endpoint off.

import type { IncomingMessage, ServerResponse } from "node:http";

export type Answer = {
  readonly status: number;
  readonly body: string;
  /** Left out: JSON. */
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

const retryAfterSeconds = "5";

export const answers = {
  malformed: error(400, "content encoding cannot be undone"),
  notFound: error(404, "not found"),
  forbidden: error(403, "forbidden"),
  methodNotAllowed: error(405, "method not allowed", { allow: "POST" }),
  methodNotAllowedHere: error(405, "method not allowed", { allow: "GET, POST" }),
  timeout: error(408, "request took too long"),
  tooLarge: error(413, "body too large"),
  unsupported: error(415, "unsupported content type or encoding"),
  /** One body for every way in which a request is not authentic. */
  unauthorized: error(401, "not authentic"),
  unavailable: error(503, "try again later", { "retry-after": retryAfterSeconds }),
  failed: error(500, "internal error"),
} as const satisfies Record<string, Answer>;

export function tooMany(retryAfterSeconds: number): Answer {
  return error(429, "too many requests", { "retry-after": String(retryAfterSeconds) });
}

function error(status: number, message: string, headers: Record<string, string> = {}): Answer {
  return { status, body: JSON.stringify({ error: message }), headers };
}

/** Answers a request whose body was read to its end. */
export function respond(response: ServerResponse, answer: Answer, close: boolean): void {
  writeHead(response, answer, close);
  response.end(answer.body);
}

const lingerMs = 1_000;
const lingerBytesMax = 1024 ** 2;

/**
 * Answers before the body was read, and closes the connection. What still comes
 * is thrown away for a moment: closing at once would reset the connection, and
 * the sender would see the reset instead of the answer.
 */
export function respondUnread(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
): void {
  writeHead(response, answer, true);
  if (request.complete) {
    response.end(answer.body);
    return;
  }
  response.write(answer.body);
  let bytesLeft = lingerBytesMax;
  const timer = setTimeout(end, lingerMs);
  request.on("data", (chunk: Buffer) => {
    bytesLeft -= chunk.byteLength;
    if (bytesLeft < 0) end();
  });
  request.once("end", end);
  request.once("close", end);
  request.resume();

  function end() {
    clearTimeout(timer);
    response.end();
  }
}

/** Providers compare acknowledgements: nothing is said beyond them. */
function writeHead(response: ServerResponse, answer: Answer, close: boolean): void {
  const { body } = answer;
  response.writeHead(answer.status, {
    ...(body !== "" && { "content-type": answer.contentType ?? "application/json" }),
    // A 204 must not announce a length.
    ...(answer.status !== 204 && { "content-length": Buffer.byteLength(body) }),
    ...answer.headers,
    ...(close && { connection: "close" }),
  });
}
