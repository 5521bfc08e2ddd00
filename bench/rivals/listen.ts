// The server that the rivals share, so that only what they do differs: HTTPS with
// a certificate, HTTP without.

import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";

export function listen(
  handle: (body: Buffer, headers: IncomingHttpHeaders) => Promise<void>,
): void {
  const listener: RequestListener = (request, reply) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      handle(Buffer.concat(chunks), request.headers).then(
        () => reply.end("{}"),
        (error) => {
          reply.statusCode = 500;
          reply.end(String(error));
        },
      );
    });
  };
  const certFile = process.env["BENCH_CERT_FILE"];
  const server = certFile
    ? createTlsServer(
        { cert: readFileSync(certFile), key: readFileSync(process.env["BENCH_KEY_FILE"] ?? "") },
        listener,
      )
    : createServer(listener);
  // As much as the door: a burst must not be lost before it is accepted.
  server.listen({ port: Number(process.env["BENCH_PORT"]), host: "127.0.0.1", backlog: 4096 });
  process.once("SIGTERM", () => process.exit(0));
}
