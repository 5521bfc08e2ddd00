// The client under test: mesh clients as every service opens them, one for each
// server that the runner starts. Where that speaks TLS they speak to it
// themselves; where it does not, a bridge takes their TLS off.
//   node conformance/client.ts, with ClientCompatRequests on standard input

import { connect } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { readTls } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { openBridge } from "./bridge.ts";
import { frame, readFrames } from "./framing.ts";
import { invoke, type Rpc } from "./invoke.ts";
import type { ClientCompatRequest, ClientCompatResponse } from "./messages.ts";
import { Protocol } from "./messages.ts";
import { clientDeadlineMs } from "./own-deadline.ts";
import { openPki } from "./pki.ts";
import { callerName, openSchema, serverName } from "./schema.ts";

/** Calls at once. */
const concurrency = 8;

process.once("SIGTERM", () => process.exit(0));
const schema = openSchema({ identity: "", requestBytesMax: 0 });
await using stack = new AsyncDisposableStack();
const pki = stack.use(await openPki());
const clients = new Map<string, Promise<Rpc>>();
const running = new Set<Promise<void>>();

for await (const bytes of readFrames(process.stdin)) {
  const request = schema.read<ClientCompatRequest>("ClientCompatRequest", bytes);
  const work = answer(request).then((response) => {
    running.delete(work);
    process.stdout.write(frame(schema.write("ClientCompatResponse", response)));
  });
  running.add(work);
  if (running.size >= concurrency) await Promise.race(running);
}
await Promise.all(running);

async function answer(request: ClientCompatRequest): Promise<ClientCompatResponse> {
  const { testName } = request;
  try {
    const value = await invoke(await clientFor(request), request, schema);
    return { testName, result: { case: "response", value } };
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { testName, result: { case: "error", value: { message } } };
  }
}

function clientFor(request: ClientCompatRequest): Promise<Rpc> {
  const key = `${request.port} ${request.protocol}`;
  const client = clients.get(key) ?? open(request);
  clients.set(key, client);
  return client;
}

async function open(request: ClientCompatRequest): Promise<Rpc> {
  const { url, tls } = await wayTo(request);
  const protocol = request.protocol === Protocol.GRPC ? "grpc" : "connect";
  const client = stack.use(
    openClient(schema.service, { url, tls, protocol, timeoutMs: clientDeadlineMs }),
  );
  return client.rpc as unknown as Rpc;
}

async function wayTo(request: ClientCompatRequest): Promise<{ url: string; tls: TlsFiles }> {
  const { host, port, serverTlsCert, clientTlsCreds } = request;
  const own = await pki.leaf(callerName);
  if (serverTlsCert.length > 0) {
    const caFile = pki.file(`server-${port}.pem`, serverTlsCert);
    const tls = { ...own, caFile };
    if (clientTlsCreds) {
      tls.certFile = pki.file(`client-${port}.pem`, clientTlsCreds.cert);
      tls.keyFile = pki.file(`client-${port}-key.pem`, clientTlsCreds.key);
    }
    return { url: `https://${host}:${port}`, tls };
  }
  const server = createTlsServer({
    ...readTls(await pki.leaf(serverName)),
    ALPNProtocols: ["h2"],
    minVersion: "TLSv1.3",
    requestCert: true,
  });
  const bridge = stack.use(await openBridge(server, () => connect(port, host)));
  return { url: `https://localhost:${bridge.port}`, tls: own };
}
