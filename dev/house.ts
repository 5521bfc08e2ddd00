// The whole of Bursar on one machine: Postgres, a broker and the three services
// as processes of their own, each started again when it dies. `make up`, the
// demo, the end-to-end tests and the bench all live in it.

import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { compiledFolder } from "#mesh/process/compile-cache.ts";
import type { ResponseValidation } from "#mesh/process/config.ts";
import { keepRenewed } from "./certificates.ts";
import { startChild, waitUntilReady } from "./child.ts";
import { keepStreamsDeclared } from "./declared-streams.ts";
import { allEvents } from "./events.ts";
import { startNatsServer } from "./nats-server.ts";
import { natsUsers, operatorUser } from "./nats-users.ts";
import { keptPorts, type Ports } from "./ports.ts";
import { applyRoles, rolesOf, schemas, startPostgres, urlAs } from "./postgres.ts";
import { type Provision, provision } from "./provision.ts";
import { isReady } from "./ready.ts";
import { claimFolder } from "./running.ts";
import { type HouseService, ownServices, type ServiceName } from "./services.ts";
import { type Supervised, supervise } from "./supervised.ts";

/** Those that every house runs; added services have names of their own. */
export type ProcessName = "postgres" | "nats" | ServiceName | (string & {});

export type House = AsyncDisposable & {
  readonly folder: string;
  readonly provision: Provision;
  readonly urls: Readonly<
    Record<"ledger" | "cms" | "cmsBrowser" | "gatewayAdmin" | "door", string>
  >;
  /** Those beside Bursar's own. */
  readonly extra: readonly HouseService[];
  /** The mesh port of any service, added ones too. */
  urlOf(service: string): string;
  /** As superuser, for looking at what the services wrote. */
  readonly databaseUrl: string;
  /** As the operator, who may do everything on the broker. */
  readonly natsUrl: string;
  /** What a service is started with, for one more process of it. */
  environmentOf(service: string): Record<string, string>;
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
  /** In development and in tests a response that breaks its own schema fails its call. */
  readonly validateResponses?: ResponseValidation;
  /** Those of Bursar's own that are started; all when left out. */
  readonly starts?: readonly ServiceName[];
  /** Services beside Bursar's own, started after them: each gets identity, schema and broker user. */
  readonly extra?: readonly HouseService[];
  /** Shorter than a day in tests of renewal. */
  readonly certificateLifeMs?: number;
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

  const { extra = [], certificateLifeMs, starts } = options;
  const services = [...ownServices, ...extra];
  const started = [...ownServices.filter(({ name }) => starts?.includes(name) ?? true), ...extra];
  const papers = await provision({ folder, extra, certificateLifeMs });
  const { authority } = papers;
  const renewal = { authority, dir: join(folder, "pki"), lifeMs: certificateLifeMs };
  stack.use(keepRenewed({ ...renewal, onTrouble: say }));
  const names = extra.map(({ name }) => name);
  const ports = await keptPorts(folder, env, names);
  const on = { folder, ports, papers, services, say, keep, stack };
  const databaseUrl = env["DATABASE_URL"] || (await ownPostgres(on));
  const broker = env["NATS_URL"] ? strangersBroker(env["NATS_URL"]) : await ownBroker(on);
  const extraSchemas = extra.map(({ schema }) => schema);
  await applyRoles(databaseUrl, papers.passwordOf, [...new Set([...schemas, ...extraSchemas])]);
  const environmentIn = (name: string) => ({
    ...environmentOf(serviceNamed(services, name), { folder, papers, ports, databaseUrl, broker }),
    LOG_LEVEL: options.logLevel ?? "info",
    ...openTelemetryOf(env),
    ...doorWorkersOf(name, env),
    VALIDATE_RESPONSES: options.validateResponses ?? "refuse",
  });
  for (const service of started) {
    const serviceEnv = environmentIn(service.name);
    await keep(service.name, () =>
      startService(service, { folder, port: ports.of(service.name), env: serviceEnv }),
    );
  }

  const opened = stack.move();
  return {
    folder,
    provision: papers,
    urls: {
      ledger: at(ports["ledger-service"]),
      cms: at(ports["cms-service"]),
      cmsBrowser: at(ports.cmsBrowser),
      gatewayAdmin: at(ports["webhook-gateway"]),
      door: at(ports.door),
    },
    extra,
    urlOf: (service) => at(ports.of(service)),
    databaseUrl,
    natsUrl: broker.operatorUrl,
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
  readonly services: readonly HouseService[];
  readonly say: (line: string) => void;
  readonly keep: (name: ProcessName, start: Start) => Promise<void>;
  readonly stack: AsyncDisposableStack;
};

type HouseBroker = {
  readonly operatorUrl: string;
  /** How a service gets in. */
  environmentOf(service: string): Record<string, string>;
};

function serviceNamed(services: readonly HouseService[], name: string): HouseService {
  const found = services.find((service) => service.name === name);
  if (found === undefined) throw new Error(`this house has no service ${name}`);
  return found;
}

/**
 * `DATABASE_URL` and `NATS_URL` name servers of somebody else, unless they come from the `env` file
 * of a house: sourced, it must not lead another house onto the servers of the first.
 */
function strangersEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (!env["BURSAR_HOUSE"]) return env;
  const { DATABASE_URL: _database, NATS_URL: _broker, ...rest } = env;
  return rest;
}

/** Where spans go, and which: the services are told as we were. */
function openTelemetryOf(env: NodeJS.ProcessEnv): Record<string, string> {
  const told = Object.entries(env).filter(([name]) => name.startsWith("OTEL_"));
  return Object.fromEntries(told) as Record<string, string>;
}

/** `DOOR_WORKERS=2 make up` shares the door between two processes. */
function doorWorkersOf(service: string, env: NodeJS.ProcessEnv): Record<string, string> {
  const workers = env["DOOR_WORKERS"];
  return service === "webhook-gateway" && workers ? { DOOR_WORKERS: workers } : {};
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

/** Somebody else's: it is used with the rights that the URL has. */
function strangersBroker(url: string): HouseBroker {
  return { operatorUrl: url, environmentOf: () => ({ NATS_URL: url }) };
}

/** Every service has a user that may do what the schema says, and the house is the operator. */
async function ownBroker(ground: Ground): Promise<HouseBroker> {
  const { folder, ports, papers, services, say, keep, stack } = ground;
  const events = await allEvents();
  // The operator's is the one password of the releases before.
  const secretOf = (user: string) => (user === operatorUser ? "nats" : `nats-${user}`);
  const passwordOf = (user: string) => papers.passwordOf(secretOf(user));
  const users = natsUsers({ events, services, passwordOf });
  const accounts = [{ name: "BURSAR", users }];
  const options = { dataDir: join(folder, "nats"), port: ports.nats, accounts, say };
  await keep("nats", () => startNatsServer(options));
  const host = `127.0.0.1:${ports.nats}`;
  const operatorUrl = `nats://${operatorUser}:${passwordOf(operatorUser)}@${host}`;
  stack.use(await keepStreamsDeclared({ url: operatorUrl, events, onTrouble: say }));
  return {
    operatorUrl,
    environmentOf: (service) => ({
      NATS_URL: `nats://${service}@${host}`,
      NATS_PASSWORD_FILE: papers.passwordFileOf(secretOf(service)),
    }),
  };
}

/** By name: grpc-js on Node 26 sends the host as TLS server name, which may not be an address. */
const at = (port: number) => `https://localhost:${port}`;

function environmentOf(
  { name, schema, env = {} }: HouseService,
  on: {
    folder: string;
    papers: Provision;
    ports: Ports;
    databaseUrl: string;
    broker: HouseBroker;
  },
): Record<string, string> {
  const { papers } = on;
  const roles = rolesOf(schema);
  const as = (role: string) => urlAs(on.databaseUrl, role, papers.passwordOf(role));
  const tls = papers.tlsOf(name);
  return {
    PATH: process.env["PATH"] ?? "",
    // As docs/running.md has it for production: not even the entry is compiled again.
    NODE_COMPILE_CACHE: compiledFolder,
    PORT: String(on.ports.of(name)),
    TLS_CA_FILE: tls.caFile,
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    ACCESS_FILE: papers.accessFile,
    JWKS_FILE: papers.jwksFile,
    DATABASE_URL: as(roles.runtime),
    DATABASE_OWNER_URL: as(roles.owner),
    ...on.broker.environmentOf(name),
    ...(name === "webhook-gateway" ? doorEnvironment(papers, on.ports.door, on.folder) : {}),
    ...(name === "cms-service" ? browserEnvironment(papers, on.ports.cmsBrowser) : {}),
    ...(name === "cms-service" ? { CERTIFICATE_KEYS_FILE: papers.certificateKeysFile } : {}),
    // Whom it asks when it reconciles grants.
    ...(name === "cms-service" ? { BURSAR_LEDGER_URL: at(on.ports["ledger-service"]) } : {}),
    ...env,
  };
}

function doorEnvironment(papers: Provision, port: number, folder: string) {
  return {
    SPOOL_DIR: join(folder, "spool"),
    DOOR_PORT: String(port),
    DOOR_TLS_CERT_FILE: papers.doorTls.certFile,
    DOOR_TLS_KEY_FILE: papers.doorTls.keyFile,
    ENDPOINTS_FILE: papers.endpointsFile,
  };
}

/** Pages of a development server: Vite's port, which others can be told to use. */
const browserOrigin = "http://localhost:5173";

function browserEnvironment(papers: Provision, port: number): Record<string, string> {
  return {
    BROWSER_PORT: String(port),
    BROWSER_ORIGINS: browserOrigin,
    BROWSER_TLS_CERT_FILE: papers.doorTls.certFile,
    BROWSER_TLS_KEY_FILE: papers.doorTls.keyFile,
  };
}

async function startService(
  { name, main }: HouseService,
  on: { folder: string; port: number; env: Record<string, string> },
) {
  const logFile = join(on.folder, "logs", `${name}.log`);
  const child = await startChild({
    command: process.execPath,
    args: [main],
    cwd: new URL("..", import.meta.url).pathname,
    env: on.env,
    logFile,
    stopSignal: "SIGTERM",
  });
  const ready = () => isReady(`https://127.0.0.1:${on.port}/readyz`, on.env["TLS_CA_FILE"] ?? "");
  await waitUntilReady(child, { name, logFile, timeoutMs: 60_000, ready });
  return { ...child, [Symbol.asyncDispose]: () => child.stop(30_000) };
}

function writePids(folder: string, processes: readonly Supervised[]): void {
  const lines = processes.map(({ name, pid }) => `${name} ${pid ?? "-"}\n`);
  writeFileSync(join(folder, "pids"), lines.join(""));
}
