// The driver, `pg`, as it is set up for every pool: what a session is told, how values are read, and
// how long a server may take to let somebody in.

import { Client, type ClientConfig, Pool } from "pg";
import { getTypeParser } from "./columns.ts";

export type ConnectionsConfig = {
  readonly url: string;
  readonly connectionsMax: number;
  /** Unset: as the server finds names by itself. */
  readonly schema?: string;
  readonly applicationName?: string;
  /** 0: a statement takes the time it takes. */
  readonly statementTimeoutMs?: number;
  /** How long an SQL transaction may wait for its owner's next statement. */
  readonly idleInTransactionMs?: number | undefined;
};

export const statementTimeoutMsDefault = 30_000;
export const idleInTransactionMsDefault = 60_000;
const connectTimeoutMs = 5_000;
const acquireTimeoutMs = 30_000;

export function createDriver(config: ConnectionsConfig): Pool {
  const {
    statementTimeoutMs = statementTimeoutMsDefault,
    idleInTransactionMs = idleInTransactionMsDefault,
  } = config;
  const { url, options } = withSettings(config.url, {
    ...(config.schema === undefined ? {} : { search_path: config.schema }),
    statement_timeout: String(statementTimeoutMs),
    // Who waits for another's lock is told so before it is told to be slow.
    lock_timeout: String(Math.floor(statementTimeoutMs / 2)),
    // Frees the locks of a process that is stopped, or cut off, in the middle.
    idle_in_transaction_session_timeout: String(idleInTransactionMs),
    DateStyle: "ISO",
    bytea_output: "hex",
  });
  return new Pool({
    Client: PatientClient,
    connectionString: url,
    options,
    application_name: config.applicationName ?? "bursar",
    max: config.connectionsMax,
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 300_000,
    maxLifetimeSeconds: 3_600,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    pipeline: true,
    types: { getTypeParser },
  });
}

/** A busy pool is waited for longer than an absent server. */
class PatientClient extends Client {
  constructor(config?: ClientConfig) {
    super({ ...config, connectionTimeoutMillis: connectTimeoutMs });
  }
}

/** Ours come last, and win over what the address asks for. */
function withSettings(address: string, settings: Readonly<Record<string, string>>) {
  const url = new URL(address);
  const asked = url.searchParams.get("options") ?? "";
  url.searchParams.delete("options");
  const ours = Object.entries(settings).map(([name, value]) => {
    return `-c ${name}=${value.replaceAll(/[\\\s]/g, "\\$&")}`;
  });
  return { url: url.href, options: [asked, ...ours].join(" ").trim() };
}
