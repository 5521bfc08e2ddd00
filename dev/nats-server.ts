// Starts a nats-server of our own with JetStream on a folder. Its one idea: an acknowledgement
// means that the message is on the disk (`sync_interval: always`), in development as in production.

import { mkdirSync, writeFileSync } from "node:fs";
import { connect as dial } from "node:net";
import { join } from "node:path";
import type { NatsPermissions } from "#mesh/identity/nats-permissions.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { type Child, freePort, startChild, waitUntilReady } from "./child.ts";
import { findNatsServer } from "./nats-binary.ts";

/** A separate world of streams inside one server, with users of its own. */
export type NatsAccount = {
  readonly name: string;
  readonly users: readonly NatsUser[];
};

export type NatsUser = {
  readonly user: string;
  /** Left out where the user shows a certificate that names it. */
  readonly password?: string;
  /** Without them the user may do everything in its account. */
  readonly permissions?: NatsPermissions;
};

export type NatsTls = TlsFiles & {
  /** Clients show a certificate of the authority; the identity in it is the name of their user. */
  readonly mutual?: boolean;
};

export type NatsServerOptions = {
  readonly dataDir: string;
  readonly port?: number;
  /** Without accounts, whoever reaches the port may do everything. */
  readonly accounts?: readonly NatsAccount[];
  readonly fileStoreBytesMax?: number;
  readonly payloadBytesMax?: number;
  readonly tls?: NatsTls;
  /** Lines of configuration beside ours, as where users come from an operator. */
  readonly more?: string;
  readonly say?: (line: string) => void;
};

export type NatsServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly exited: Promise<string>;
};

export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const { dataDir } = options;
  const command = await findNatsServer(options.say);
  const port = options.port || (await freePort());
  if (await answers(port)) throw new Error(`a nats-server already serves 127.0.0.1:${port}`);
  mkdirSync(dataDir, { recursive: true });
  const configFile = join(dataDir, "nats-server.conf");
  const logFile = join(dataDir, "nats-server.log");
  writeFileSync(configFile, natsConfig({ ...options, port }), { mode: 0o600 });
  const child = await startChild({
    command,
    args: ["--config", configFile],
    logFile,
    // SIGTERM makes it flush and close its stores; its exit code is then 0.
    stopSignal: "SIGTERM",
  });
  const ready = () => answers(port);
  await waitUntilReady(child, { name: "nats-server", logFile, timeoutMs: 30_000, ready });
  return natsServer(child, port);
}

function natsServer(child: Child, port: number): NatsServer {
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: child.pid,
    exited: child.exited,
    [Symbol.asyncDispose]: () => child.stop(),
  };
}

export function natsConfig(options: NatsServerOptions & { readonly port: number }): string {
  const { dataDir, port, accounts = [] } = options;
  const fileStoreBytesMax = options.fileStoreBytesMax ?? 8 * 1024 ** 3;
  const payloadBytesMax = options.payloadBytesMax ?? 4 * 1024 ** 2;
  return `# Written at every start of nats-server: changes made here are lost.
server_name: bursar
listen: "127.0.0.1:${port}"
max_payload: ${payloadBytesMax}
jetstream {
  store_dir: "${join(dataDir, "jetstream")}"
  max_file_store: ${fileStoreBytesMax}
  max_memory_store: 0
  sync_interval: always
}
${accountsConfig(accounts)}${tlsConfig(options.tls)}${options.more ?? ""}`;
}

function accountsConfig(accounts: readonly NatsAccount[]): string {
  if (accounts.length === 0) return "";
  const account = ({ name, users }: NatsAccount) =>
    `  ${name} { jetstream: enabled, users: [\n${users.map(userConfig).join("")}  ] }\n`;
  return `accounts {\n${accounts.map(account).join("")}}\n`;
}

/** JSON is a way to write the server's configuration; what stands in quotes is taken as it is. */
function userConfig(user: NatsUser): string {
  return `    ${JSON.stringify(user)}\n`;
}

function tlsConfig(tls: NatsTls | undefined): string {
  if (tls === undefined) return "";
  return `tls {
  cert_file: "${tls.certFile}"
  key_file: "${tls.keyFile}"
${tls.mutual ? `  ca_file: "${tls.caFile}"\n  verify_and_map: true\n` : ""}}
`;
}

/** The server greets with INFO once it serves clients, which is after JetStream has recovered. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dial({ port, host: "127.0.0.1", timeout: 500 });
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("data", (greeting) => end(greeting.toString().startsWith("INFO ")));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("timeout", () => end(false));
  });
}
