// What the door is measured on: a broker of its own that syncs before it
// acknowledges, and servers in processes of their own. No database: the desk waits.

import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { promisify } from "node:util";
import { DiscardPolicy, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { type Child, freePort, startChild, waitUntilReady } from "#dev/child.ts";
import { type NatsServer, startNatsServer } from "#dev/nats-server.ts";
import { isReady } from "#dev/ready.ts";
import {
  type Authority,
  ensureAuthority,
  issueLeaf,
  issueServerCertificate,
} from "#mesh/identity/authority.ts";
import type { GeneratorOptions, GeneratorResult } from "./generator.ts";

const runFile = promisify(execFile);
const secret = "whsec_bench_0123456789abcdef0123456789abcdef";
const endpointId = "bench-endpoint";
const streamBytesMax = 24 * 1024 ** 3;

/** What the rival and the ceiling publish to. */
export const benchSubject = "bench.webhook";

export type Measured = AsyncDisposable & {
  readonly pid: number;
  readonly port: number;
  readonly path: string;
  /** Undefined: plain HTTP. */
  readonly caFile: string | undefined;
  readonly probeFile: string;
};

export type GatewayVariant = {
  readonly tls?: boolean;
  readonly workers?: number;
  readonly env?: Readonly<Record<string, string>>;
};

export type Stand = AsyncDisposable & {
  readonly broker: NatsServer;
  startGateway(variant?: GatewayVariant): Promise<Measured>;
  startNaive(variant?: { readonly tls?: boolean }): Promise<Measured>;
};

export async function openStand(folder: string): Promise<Stand> {
  await using stack = new AsyncDisposableStack();
  const dir = join(folder, "config");
  mkdirSync(dir, { recursive: true });
  const fileStoreBytesMax = 400 * 1024 ** 3;
  const dataDir = join(folder, "nats");
  const broker = stack.use(await startNatsServer({ dataDir, fileStoreBytesMax }));
  await addBenchStream(broker.url);
  const authority = await ensureAuthority(dir);
  const door = await issueServerCertificate(authority, { name: "door", dir });
  const gatewayEnv = await gatewayEnvironment(authority, dir, broker.url);
  let started = 0;
  const start = (name: string, args: readonly string[], env: NodeJS.ProcessEnv) => {
    started += 1;
    const label = `${name}-${started}`;
    const probeFile = join(folder, `${label}.allocated`);
    return startServer({ label, args, probeFile, logFile: join(folder, `${label}.log`), env });
  };

  const opened = stack.move();
  return {
    broker,
    async startGateway({ tls = false, workers = 0, env = {} } = {}) {
      const [port, doorPort] = [await freePort(), await freePort()];
      const main = join(import.meta.dirname, "..", "..", "webhook-gateway", "main.ts");
      const server = await start("gateway", [main], {
        ...gatewayEnv,
        PORT: String(port),
        DOOR_PORT: String(doorPort),
        DOOR_WORKERS: String(workers),
        ...(tls && { DOOR_TLS_CERT_FILE: door.certFile, DOOR_TLS_KEY_FILE: door.keyFile }),
        ...env,
      });
      await server.ready(() => isReady(`https://127.0.0.1:${port}/readyz`, authority.caFile));
      const caFile = tls ? authority.caFile : undefined;
      return { ...server.about, port: doorPort, path: `/v1/in/${endpointId}`, caFile };
    },
    async startNaive({ tls = false } = {}) {
      const port = await freePort();
      const server = await start("naive", [join(import.meta.dirname, "..", "rivals", "naive.ts")], {
        BENCH_PORT: String(port),
        ...(tls && { BENCH_CERT_FILE: door.certFile, BENCH_KEY_FILE: door.keyFile }),
        BENCH_SECRET: secret,
        BENCH_SUBJECT: benchSubject,
        NATS_URL: broker.url,
      });
      await server.ready(() => answers(port));
      const caFile = tls ? authority.caFile : undefined;
      return { ...server.about, port, path: "/", caFile };
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

export async function generate(
  { port, path, caFile }: Measured,
  load: Pick<GeneratorOptions, "connections" | "seconds">,
): Promise<GeneratorResult> {
  const options: GeneratorOptions = { port, path, caFile, secret, ...load };
  const program = join(import.meta.dirname, "generator.ts");
  const { stdout } = await runFile(process.execPath, [program, JSON.stringify(options)]);
  return JSON.parse(stdout) as GeneratorResult;
}

async function addBenchStream(url: string): Promise<void> {
  const connection = await connect({ servers: new URL(url).host });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: "BENCH",
    subjects: ["bench.>"],
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    allow_atomic: true,
  });
  await connection.close();
}

async function gatewayEnvironment(authority: Authority, dir: string, natsUrl: string) {
  const mesh = await issueLeaf(authority, { name: "webhook-gateway", dir });
  const accessFile = join(dir, "access.yaml");
  writeFileSync(accessFile, "grants: []\n");
  const endpointsFile = join(dir, "endpoints.yaml");
  const endpoint = { endpoint_id: endpointId, provider_account: "acct_bench", ledger_id: "main" };
  const secrets = [{ environment: "BENCH_SECRET" }];
  writeFileSync(
    endpointsFile,
    JSON.stringify({ endpoints: [{ ...endpoint, secrets, stripe: {} }] }),
  );
  const nowhere = "postgres://nobody@127.0.0.1:9/nothing";
  return {
    TLS_CA_FILE: mesh.caFile,
    TLS_CERT_FILE: mesh.certFile,
    TLS_KEY_FILE: mesh.keyFile,
    ACCESS_FILE: accessFile,
    DATABASE_URL: nowhere,
    DATABASE_OWNER_URL: nowhere,
    ENDPOINTS_FILE: endpointsFile,
    BENCH_SECRET: secret,
    NATS_URL: natsUrl,
    STREAM_BYTES_MAX: String(streamBytesMax),
    LOG_LEVEL: "error",
  };
}

type ServerOptions = {
  readonly label: string;
  readonly args: readonly string[];
  readonly probeFile: string;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
};

async function startServer({ label, args, probeFile, logFile, env }: ServerOptions) {
  // For a profile: BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=/tmp/profile".
  const flags = process.env["BENCH_NODE_FLAGS"]?.split(" ") ?? [];
  const probe = join(import.meta.dirname, "probe.ts");
  const child: Child = await startChild({
    command: process.execPath,
    args: [...flags, "--import", probe, ...args],
    env: { PATH: process.env["PATH"], ...env, BENCH_PROBE_FILE: probeFile },
    logFile,
    stopSignal: "SIGTERM",
  });
  return {
    ready: (ready: () => Promise<boolean>) =>
      waitUntilReady(child, { name: label, logFile, timeoutMs: 30_000, ready }),
    about: { pid: child.pid, probeFile, [Symbol.asyncDispose]: () => child.stop() },
  };
}

/** Anything at all: it listens. */
function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const asked = request({ host: "127.0.0.1", port, method: "GET", agent: false, timeout: 1_000 });
  asked.on("response", (response) => resolve(response.resume() !== undefined));
  asked.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code === "ECONNRESET"));
  asked.end();
  return promise;
}
