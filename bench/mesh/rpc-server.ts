// The server's side of a measured call, as a process: Connect's own on Node's
// HTTP/2 with TLS and nothing else, or the mesh's with everything on.

import { createSecureServer } from "node:http2";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { readTls } from "#mesh/identity/tls.ts";
import { readEnv, readMeshConfig, type TlsFiles } from "#mesh/process/config.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { ledger } from "./posting.ts";
import { answerQuestions, cpuMicros, workerOptions } from "./worker.ts";

export type RpcServerOptions = {
  readonly kind: "bare" | "mesh";
  readonly port: number;
  readonly tls: TlsFiles;
  readonly accessFile: string;
};

const service = "ledger-service";
const options = workerOptions<RpcServerOptions>();
await (options.kind === "bare" ? startBare(options) : startMesh(options));
answerQuestions(async () => ({ cpuMicros: cpuMicros() }));

async function startBare({ port, tls }: RpcServerOptions): Promise<void> {
  const { cert, key } = readTls(tls);
  const handle = connectNodeAdapter({
    routes: (router) => void router.service(LedgerService, ledger),
  });
  const server = createSecureServer({ cert, key, minVersion: "TLSv1.3" }, handle);
  await new Promise<void>((listening) => server.listen(port, "127.0.0.1", listening));
}

async function startMesh({ port, tls, accessFile }: RpcServerOptions): Promise<void> {
  const env = {
    HOST: "127.0.0.1",
    PORT: String(port),
    TLS_CA_FILE: tls.caFile,
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    ACCESS_FILE: accessFile,
  };
  await startServer({
    service,
    config: readEnv(env, readMeshConfig),
    log: createLog({ service, level: "info" }),
    metrics: createMetrics(service),
    routes: (router) => void router.service(LedgerService, ledger),
    readiness: () => [],
  });
}
