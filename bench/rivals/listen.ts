// The HTTPS server that the rivals share, so that only what they do differs.

import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { createServer } from "node:https";

export function listenHttps(
  handle: (body: Buffer, headers: IncomingHttpHeaders) => Promise<void>,
): void {
  const server = createServer(
    {
      cert: readFileSync(process.env["BENCH_CERT_FILE"] ?? ""),
      key: readFileSync(process.env["BENCH_KEY_FILE"] ?? ""),
    },
    (request, reply) => {
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
    },
  );
  server.listen(Number(process.env["BENCH_PORT"]), "127.0.0.1");
}
