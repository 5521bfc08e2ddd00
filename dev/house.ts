// The whole of Bursar on one machine: Postgres, a broker and the three services
// as processes of their own, each started again when it dies. `make up`, the
// demo, the end-to-end tests and the bench all live in it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { startChild, waitUntilReady } from "./child.ts";
import { startNatsServer } from "./nats-server.ts";
import { keptPorts, type Ports } from "./ports.ts";
import { applyRoles, rolesOf, startPostgres, urlAs } from "./postgres.ts";
import { type Provision, provision, type ServiceName } from "./provision.ts";
import { isReady } from "./ready.ts";
import { claimFolder } from "./running.ts";
import { type Supervised, supervise } from "./supervised.ts";

export type ProcessName = "postgres" | "nats" | ServiceName;

export type House = AsyncDisposable & {
  readonly folder: string;
  readonly provision: Provision;
  readonly urls: Readonly<Record<"ledger" | "cms" | "gatewayAdmin" | "door", string>>;
  /** As superuser, for looking at what the services wrote. */
  readonly databaseUrl: string;
  readonly natsUrl: string;
  /** What a service is started with, for one more process of it. */
  environmentOf(service: ServiceName): Record<string, string>;
  /** Processes of this house, in the order they were started; those of others are not in it. */
  readonly processes: readonly Supervised[];
  process(name: ProcessName): Supervised;
};

export type HouseOptions = {
  /** Holds everything the house keeps: data, certificates, secrets, logs. */
  readonly folder: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly say?: (line: string) => void;
  readonly logLevel?: string;
};

export async function openHouse(options: HouseOptions): Promise<House> {
  const { say = () => {} } = options;
  const env = strangersEnvironment(options.env ?? process.env);
  const folder = resolve(options.folder);
  mkdirSync(join(folder, "logs"), { recursive: true });
  await using stack = new AsyncDisposableStack();
  stack.use(claimFolder(folder));
  const processes: Supervised[] = [];
  const keep = async (name: ProcessName, start: Start) => {
    const onChange = () => writePids(folder, processes);
    const supervised = stack.use(await supervise({ name, start, onTrouble: say, onChange }));
    processes.push(supervised);
    onChange();
  };

  const papers = await provision(folder);
  const ports = await keptPorts(folder, env);
  const on = { folder, ports, papers, say, keep };
  const databaseUrl = env["DATABASE_URL"] || (await ownPostgres(on));
  const natsUrl = env["NATS_URL"] || (await ownBroker(on));
  await applyRoles(databaseUrl, papers.passwordOf);
  const environmentIn = (service: ServiceName) => ({
    ...environmentOf(service, { papers, ports, databaseUrl, natsUrl }),
    LOG_LEVEL: options.logLevel ?? "info",
  });
  for (const service of ["ledger-service", "cms-service", "webhook-gateway"] as const) {
    const serviceEnv = environmentIn(service);
    await keep(service, () => startService(service, folder, ports[service], serviceEnv));
  }

  const opened = stack.move();
  // By name: grpc-js on Node 26 sends the host as TLS server name, which may not be an address.
  const at = (port: number) => `https://localhost:${port}`;
  return {
    folder,
    provision: papers,
    urls: {
      ledger: at(ports["ledger-service"]),
      cms: at(ports["cms-service"]),
      gatewayAdmin: at(ports["webhook-gateway"]),
      door: at(ports.door),
    },
    databaseUrl,
    natsUrl,
    environmentOf: environmentIn,
    processes,
    process(name) {
      const found = processes.find((candidate) => candidate.name === name);
      if (found === undefined) throw new Error(`this house does not run ${name} itself`);
      return found;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

type Start = Parameters<typeof supervise>[0]["start"];

type Ground = {
  readonly folder: string;
  readonly ports: Ports;
  readonly papers: Provision;
  readonly say: (line: string) => void;
  readonly keep: (name: ProcessName, start: Start) => Promise<void>;
};

/**
 * `DATABASE_URL` and `NATS_URL` name servers of somebody else, unless they come from the `env` file
 * of a house: sourced, it must not lead another house onto the servers of the first.
 */
function strangersEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!env["BURSAR_HOUSE"]) return env;
  const { DATABASE_URL: _database, NATS_URL: _broker, ...rest } = env;
  return rest;
}

async function ownPostgres({ folder, ports, keep }: Ground): Promise<string> {
  let url = "";
  await keep("postgres", async () => {
    const logFile = join(folder, "logs", "postgres.log");
    const dataDir = join(folder, "postgres");
    const server = await startPostgres({ dataDir, port: ports.postgres, logFile });
    url = server.url;
    return server;
  });
  return url;
}

async function ownBroker({ folder, ports, papers, say, keep }: Ground): Promise<string> {
  const account = { name: "BURSAR", user: "bursar", password: papers.passwordOf("nats") };
  const options = { dataDir: join(folder, "nats"), port: ports.nats, accounts: [account], say };
  await keep("nats", () => startNatsServer(options));
  return `nats://${account.user}:${account.password}@127.0.0.1:${ports.nats}`;
}

function environmentOf(
  service: ServiceName,
  on: { papers: Provision; ports: Ports; databaseUrl: string; natsUrl: string },
): Record<string, string> {
  const { papers } = on;
  const schema = { "ledger-service": "ledger", "cms-service": "cms", "webhook-gateway": "gateway" };
  const roles = rolesOf(schema[service]);
  const as = (role: string) => urlAs(on.databaseUrl, role, papers.passwordOf(role));
  const tls = papers.tls[service];
  return {
    PATH: process.env["PATH"] ?? "",
    PORT: String(on.ports[service]),
    TLS_CA_FILE: tls.caFile,
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    ACCESS_FILE: papers.accessFile,
    JWKS_FILE: papers.jwksFile,
    DATABASE_URL: as(roles.runtime),
    DATABASE_OWNER_URL: as(roles.owner),
    NATS_URL: on.natsUrl,
    ...(service === "webhook-gateway" ? doorEnvironment(papers, on.ports.door) : {}),
  };
}

function doorEnvironment(papers: Provision, port: number): Record<string, string> {
  return {
    DOOR_PORT: String(port),
    DOOR_TLS_CERT_FILE: papers.doorTls.certFile,
    DOOR_TLS_KEY_FILE: papers.doorTls.keyFile,
    ENDPOINTS_FILE: papers.endpointsFile,
  };
}

async function startService(
  name: ServiceName,
  folder: string,
  port: number,
  env: Record<string, string>,
) {
  const logFile = join(folder, "logs", `${name}.log`);
  const root = new URL("..", import.meta.url).pathname;
  const child = await startChild({
    command: process.execPath,
    args: [join(root, name, "main.ts")],
    cwd: root,
    env,
    logFile,
    stopSignal: "SIGTERM",
  });
  const ready = () => isReady(`https://127.0.0.1:${port}/readyz`, env["TLS_CA_FILE"] ?? "");
  await waitUntilReady(child, { name, logFile, timeoutMs: 60_000, ready });
  return { ...child, [Symbol.asyncDispose]: () => child.stop(30_000) };
}

function writePids(folder: string, processes: readonly Supervised[]): void {
  const lines = processes.map(({ name, pid }) => `${name} ${pid ?? "-"}\n`);
  writeFileSync(join(folder, "pids"), lines.join(""));
}
