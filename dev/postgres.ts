// Starts a Postgres of our own on a folder, and makes Bursar's roles in it. Its one idea: a start
// on data of any past, a clean stop or kill -9, ends with a server on the port that was asked for.

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { openPool } from "#mesh/database/pool.ts";
import { type Child, freePort, startChild, waitUntilReady } from "./child.ts";
import {
  type Account,
  type Binaries,
  findPostgres,
  placeDataDir,
  postgresAccount,
} from "./postgres-binaries.ts";

export { applyRoles, rolesOf, schemas, urlAs } from "#mesh/database/roles.ts";

const run = promisify(execFile);

export type PostgresOptions = {
  readonly dataDir: string;
  readonly port?: number;
  /** Settings of postgresql.conf, given on the command line. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly logFile?: string;
};

export type PostgresServer = AsyncDisposable & {
  /** As superuser, to the database `bursar`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<string>;
};

export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const account = postgresAccount();
  const programs = await findPostgres(account);
  const dataDir = placeDataDir(options.dataDir, account);
  const logFile = options.logFile ?? `${options.dataDir}.log`;
  const port = options.port || (await freePort());
  if (await accepts(port)) throw new Error(`a postgres already serves 127.0.0.1:${port}`);
  if (!existsSync(join(dataDir, "PG_VERSION"))) await initialise(programs, dataDir, account);
  await clearStaleLock(dataDir);
  const password = readFileSync(join(dataDir, passwordFile), "utf8");
  const serverUrl = `postgres://postgres:${password}@127.0.0.1:${port}`;
  const child = await startServing({ ...options, dataDir, port, logFile }, programs, account);
  const ready = () => accepts(port);
  await waitUntilReady(child, { name: "postgres", logFile, timeoutMs: 60_000, ready });
  await createDatabase(`${serverUrl}/postgres`, "bursar");
  return {
    url: `${serverUrl}/bursar`,
    port,
    pid: child.pid,
    exited: child.exited,
    [Symbol.asyncDispose]: () => child.stop(20_000),
  };
}

const passwordFile = "bursar.password";

async function initialise(programs: Binaries, dataDir: string, account: Account | undefined) {
  const password = randomBytes(16).toString("hex");
  const file = join(tmpdir(), `bursar-${randomBytes(8).toString("hex")}`);
  writeFileSync(file, password, { mode: 0o600, flag: "wx" });
  if (account !== undefined) chownSync(file, account.uid, account.gid);
  try {
    await run(
      programs.initdb,
      [
        ...["--pgdata", dataDir, "--username", "postgres", "--pwfile", file],
        ...["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"],
        // A start that is cut short leaves no half-made data behind, so syncing can wait.
        "--no-sync",
      ],
      { ...account, cwd: "/", env: { ...process.env, LC_ALL: "C" } },
    );
  } catch (cause) {
    throw new Error(`initdb failed in ${dataDir}: ${(cause as Error).message}`, { cause });
  } finally {
    rmSync(file);
  }
  writeFileSync(join(dataDir, passwordFile), password, { mode: 0o600 });
}

/**
 * After kill -9 the lock file stays behind. Postgres trusts a process id in it that lives, though
 * it may by now be another program's.
 */
async function clearStaleLock(dataDir: string): Promise<void> {
  const file = join(dataDir, "postmaster.pid");
  const deadline = Date.now() + 10_000;
  for (;;) {
    if (!existsSync(file)) return;
    const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
    if (!(await commandOf(pid)).includes("postgres")) {
      rmSync(file, { force: true });
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`a postgres already runs on ${dataDir}; stop it with: kill -INT ${pid}`);
    }
    await sleep(100);
  }
}

/** Empty for a process that is gone or only waits for its parent to notice. */
async function commandOf(pid: number): Promise<string> {
  if (existsSync("/proc/self/cmdline")) {
    const file = `/proc/${pid}/cmdline`;
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }
  const ps = await run("ps", ["-o", "args=", "-p", String(pid)]).catch(() => ({ stdout: "" }));
  return ps.stdout;
}

async function startServing(
  options: PostgresOptions & { readonly port: number; readonly logFile: string },
  { postgres: command }: Binaries,
  account: Account | undefined,
): Promise<Child> {
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(options.port),
    unix_socket_directories: "",
    max_connections: "200",
    password_encryption: "scram-sha-256",
    ...options.settings,
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  return startChild({
    command,
    args: ["-D", options.dataDir, ...args],
    logFile: options.logFile,
    cwd: "/",
    env: { ...process.env, LC_ALL: "C" },
    // Fast shutdown: sessions are ended, the data is flushed.
    stopSignal: "SIGINT",
    ...account,
  });
}

/** Asks to log in and hangs up: a server that still recovers refuses before it asks for a password. */
function accepts(port: number): Promise<boolean> {
  const parameters = Buffer.from("user\0postgres\0database\0postgres\0\0");
  const login = Buffer.alloc(8);
  login.writeInt32BE(8 + parameters.length, 0);
  login.writeInt32BE(3 << 16, 4);
  return new Promise((resolve) => {
    const socket = dial({ port, host: "127.0.0.1", timeout: 1_000 });
    const end = (accepted: boolean) => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => socket.write(Buffer.concat([login, parameters])));
    socket.once("data", (answer) => end(answer.toString("latin1", 0, 1) === "R"));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("timeout", () => end(false));
  });
}

async function createDatabase(url: string, name: string): Promise<void> {
  await using sql = open(url);
  const found = await sql.pool`select from pg_database where datname = ${name}`;
  if (found.count === 0) await sql.pool`create database ${sql.pool(name)}`;
}

function open(url: string) {
  const pool = openPool({ url, connectionsMax: 1 });
  return { pool, [Symbol.asyncDispose]: () => pool.end({ timeout: 5 }) };
}
