// A connection while it is lent. Statements that are sent without waiting for each other are
// answered in their order, one behind the other in the same round trip. Whatever the driver calls
// the loss of its connection, it leaves here as ConnectionLost.

import assert from "node:assert/strict";
import { DatabaseError, type PoolClient, type QueryResult } from "pg";
import type { Query } from "./sql.ts";
import type { AnyRow, Rows } from "./statement.ts";

/** Nobody knows what became of the statements that were under way. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
  readonly code = "CONNECTION_LOST";
}

export type Connection = {
  run(query: Query): Promise<Rows<AnyRow[]>>;
  /** Calls back as soon as the connection is lost, whether a statement is under way or not. */
  onLost(listener: (error: ConnectionLost) => void): void;
  /** Gives it back, or destroys it where it cannot be used again. */
  release(): void;
  /** Ends it at once, and with it whatever is under way. */
  destroy(): void;
};

export type LendOptions = {
  /** How long an answer is waited for; 0 is forever. */
  readonly answerTimeoutMs: number;
  readonly onRelease: (connection: Connection) => void;
};

export function lend(client: PoolClient, { answerTimeoutMs, onRelease }: LendOptions): Connection {
  let lost: ConnectionLost | undefined;
  let listener: (error: ConnectionLost) => void = () => {};
  let spoilt = false;
  let running = 0;
  let returned = false;

  const lose = (cause?: Error) => {
    if (lost) return;
    const why = cause === undefined ? "" : `: ${cause.message}`;
    lost = new ConnectionLost(`the connection to the database was lost${why}`, { cause });
    listener(lost);
  };
  const onEnd = () => lose();
  client.on("error", lose);
  client.on("end", onEnd);

  function giveBack(destroy: boolean): void {
    if (returned) return;
    returned = true;
    client.removeListener("error", lose);
    client.removeListener("end", onEnd);
    if (destroy) {
      lose(new Error("it was ended by this process"));
      client.connection.stream.destroy();
    }
    client.release(destroy);
    onRelease(connection);
  }

  const connection: Connection = {
    onLost(call) {
      listener = call;
      if (lost) call(lost);
    },
    async run({ text, parameters, name }) {
      if (lost) throw lost;
      assert(!returned, "the connection was given back before this statement");
      const cut = () => {
        client.connection.stream.destroy(new Error(`no answer within ${answerTimeoutMs} ms`));
      };
      const timer = answerTimeoutMs > 0 ? setTimeout(cut, answerTimeoutMs) : undefined;
      running++;
      try {
        const values = parameters as (string | Buffer | null)[];
        const config = name === undefined ? { text, values } : { text, values, name };
        const answer = await client.query<AnyRow>(config);
        // Of several statements, the last.
        const result = Array.isArray(answer) ? (answer as (typeof answer)[]).at(-1)! : answer;
        return rowsOf(result);
      } catch (error) {
        if (error instanceof DatabaseError) {
          spoilt ||= endsSession(error);
          throw error;
        }
        throw lost ?? error;
      } finally {
        running--;
        clearTimeout(timer);
      }
    },
    release() {
      const idle = running === 0 && client.getTransactionStatus() === "I";
      giveBack(!idle || spoilt || lost !== undefined);
    },
    destroy() {
      giveBack(true);
    },
  };
  return connection;
}

/** A plan that no longer fits its tables would fail in this session forever. */
export function isStalePlan(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return false;
  return error.routine === "RevalidateCachedQuery" || error.code === "26000";
}

function endsSession(error: DatabaseError): boolean {
  return error.severity !== "ERROR" || isStalePlan(error);
}

/** An array that equals the rows alone. */
function rowsOf({ rows, rowCount, command }: QueryResult<AnyRow>): Rows<AnyRow[]> {
  return Object.defineProperties(rows, {
    count: { value: rowCount ?? 0 },
    command: { value: command },
  }) as Rows<AnyRow[]>;
}
