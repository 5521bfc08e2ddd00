// The server under test: a mesh server as every service has one, behind a bridge
// that lends the runner an identity. One process serves one configuration.
//   node conformance/server.ts, with a ServerCompatRequest on standard input

import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { readTls } from "#mesh/identity/tls.ts";
import { type EnvReader, readEnv, readMeshConfig, type TlsFiles } from "#mesh/process/config.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { type Bridge, openBridge } from "./bridge.ts";
import { frame, readFrames } from "./framing.ts";
import { HttpVersion, type ServerCompatRequest } from "./messages.ts";
import { openPki, type Pki } from "./pki.ts";
import { callerName, openSchema, type Schema, serverName } from "./schema.ts";
import { conformanceRoutes } from "./service.ts";

const stopped = Promise.race([once(process, "SIGTERM"), once(process, "SIGINT"), orphaned()]);
await using stack = new AsyncDisposableStack();
for await (const bytes of readFrames(process.stdin)) {
  const [request, schema] = readRequest(bytes);
  const pki = stack.use(await openPki());
  const server = stack.use(await serve(schema, pki));
  const bridge = stack.use(await openWay(request, server.port, await pki.leaf(callerName)));
  const pemCert = request.useTls ? request.serverCreds?.cert : undefined;
  const answer = { host: "127.0.0.1", port: bridge.port, ...(pemCert && { pemCert }) };
  process.stdout.write(frame(schema.write("ServerCompatResponse", answer)));
}
await stopped;

/** A runner that was killed says no goodbye. */
async function orphaned(): Promise<void> {
  const parent = process.ppid;
  while (process.ppid === parent) await sleep(1_000, undefined, { ref: false });
}

/** The largest request is part of the policies, and the request says which. */
function readRequest(bytes: Uint8Array): [ServerCompatRequest, Schema] {
  const unlimited = openSchema({ identity: serverName, requestBytesMax: 0 });
  const request = unlimited.read<ServerCompatRequest>("ServerCompatRequest", bytes);
  const requestBytesMax = request.messageReceiveLimit;
  return [request, openSchema({ identity: serverName, requestBytesMax })];
}

async function serve(schema: Schema, pki: Pki) {
  const files = await pki.leaf(serverName);
  const env = {
    HOST: "127.0.0.1",
    PORT: "0",
    TLS_CA_FILE: files.caFile,
    TLS_CERT_FILE: files.certFile,
    TLS_KEY_FILE: files.keyFile,
    ACCESS_FILE: pki.accessFile(),
    DRAIN_TIMEOUT_MS: "0",
  };
  const config = readEnv(env, (read: EnvReader) => readMeshConfig(read));
  return startServer({
    service: serverName,
    config,
    // Standard output belongs to the runner.
    log: createLog({
      service: serverName,
      level: process.env["LOG_LEVEL"] ?? "error",
      write: (line) => void process.stderr.write(line),
    }),
    metrics: createMetrics(serverName),
    routes: conformanceRoutes(schema),
    readiness: () => [],
  });
}

/** From the runner, by whatever transport it was promised, to the mesh's port. */
function openWay(request: ServerCompatRequest, port: number, files: TlsFiles): Promise<Bridge> {
  const tls = readTls(files);
  const dial = (protocol: string) =>
    connect({ ...tls, host: "127.0.0.1", port, ALPNProtocols: [protocol], minVersion: "TLSv1.3" });
  if (!request.useTls) {
    const protocol = request.httpVersion === HttpVersion.HTTP_1 ? "http/1.1" : "h2";
    return openBridge(createServer(), () => dial(protocol));
  }
  const { cert, key } = request.serverCreds ?? {};
  if (!cert || !key) throw new Error("the runner asks for TLS and gives no credentials");
  const wantsClient = request.clientTlsCert.length > 0;
  const near = createTlsServer({
    cert: Buffer.from(cert),
    key: Buffer.from(key),
    ALPNProtocols: ["h2", "http/1.1"],
    ...(wantsClient && { ca: Buffer.from(request.clientTlsCert), requestCert: true }),
    rejectUnauthorized: wantsClient,
  });
  return openBridge(near, (socket) => dial((socket as TLSSocket).alpnProtocol || "http/1.1"));
}
