// Connections to Postgres, lent to one user at a time. Every wait is bounded: for a free connection,
// for a new one, for an answer, and for those who are not done when all of it ends.

import { setTimeout as sleep } from "node:timers/promises";
import type { PoolClient } from "pg";
import { type Connection, ConnectionLost, lend } from "./connection.ts";
import { type ConnectionsConfig, createDriver, statementTimeoutMsDefault } from "./driver.ts";

export type Connections = {
  /** Opens lazily: a database that is absent now is found by the first call that can. */
  acquire(): Promise<Connection>;
  /** Lets what is under way finish, within the time; then ends it. */
  end(timeoutMs: number): Promise<void>;
};

/** As a multiple of the time that the database itself gives a statement. */
const answerPatience = 1.5;
const closeTimeoutMs = 1_000;

export function openConnections(config: ConnectionsConfig): Connections {
  const { statementTimeoutMs = statementTimeoutMsDefault } = config;
  const pool = createDriver(config);
  const open = new Set<PoolClient>();
  const dead = new WeakSet<PoolClient>();
  pool.on("connect", (client) => {
    open.add(client);
    client.on("error", () => dead.add(client));
    client.on("end", () => dead.add(client));
  });
  pool.on("remove", (client) => open.delete(client));
  pool.on("error", () => {});

  const answerTimeoutMs = statementTimeoutMs * answerPatience;
  const lent = new Set<Connection>();
  const waiting = new Set<(error: Error) => void>();
  let ended: Promise<void> | undefined;
  let onIdle = () => {};
  const look = () => {
    if (lent.size + waiting.size === 0) onIdle();
  };
  const onRelease = (connection: Connection) => {
    lent.delete(connection);
    look();
  };

  async function close(timeoutMs: number): Promise<void> {
    if (lent.size + waiting.size > 0) {
      const idle = new Promise<void>((resolve) => {
        onIdle = resolve;
      });
      await within(timeoutMs, idle);
    }
    for (const reject of waiting) reject(new ConnectionLost("the connections were closed"));
    waiting.clear();
    for (const connection of lent) connection.destroy();
    const closed = new Promise<void>((resolve) => {
      pool.on("remove", () => open.size === 0 && resolve());
      if (open.size === 0) resolve();
    });
    await within(closeTimeoutMs, Promise.all([pool.end(), closed]));
    for (const client of open) client.connection.stream.destroy();
  }

  return {
    acquire() {
      if (ended) throw new ConnectionLost("the connections to the database are closed");
      return new Promise((resolve, reject) => {
        waiting.add(reject);
        const refuse = (cause: Error) => {
          waiting.delete(reject);
          const message = `there is no connection to the database: ${cause.message || String(cause)}`;
          reject(new ConnectionLost(message, { cause }));
          look();
        };
        const take = (client: PoolClient) => {
          if (!waiting.has(reject) || dead.has(client)) {
            client.release(true);
            // It died on its way here: the next one.
            if (waiting.has(reject)) pool.connect().then(take, refuse);
            return;
          }
          waiting.delete(reject);
          const connection = lend(client, { answerTimeoutMs, onRelease });
          lent.add(connection);
          resolve(connection);
        };
        pool.connect().then(take, refuse);
      });
    },
    end(timeoutMs) {
      ended ??= close(timeoutMs);
      return ended;
    },
  };
}

async function within(timeoutMs: number, done: Promise<unknown>): Promise<void> {
  if (!Number.isFinite(timeoutMs)) return void (await done);
  const enough = new AbortController();
  const limit = sleep(timeoutMs, undefined, { signal: enough.signal }).catch(() => {});
  await Promise.race([done, limit]);
  enough.abort();
}
