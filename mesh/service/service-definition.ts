// What makes one service differ from the next, declared: its name, what it keeps, what it tells,
// what it handles and what it answers. All the rest is the same for everybody (run-service.ts).

import type { DescMessage } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import type { Pool } from "../database/pool.ts";
import type { Env, TlsFiles } from "../process/config.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { EmitIn } from "./emit.ts";
import type { EventHandler, StreamHandler } from "./event-handler.ts";

export type ServiceDefinition = {
  /** Last part of its identity, for example `receipt-service`. */
  readonly service: string;
  /** Its schema, and the folder of its migrations. Left out: it keeps nothing. */
  readonly database?: { readonly schema: string; readonly migrations: URL };
  /** Events that it publishes, through its outbox. */
  readonly produces?: readonly DescMessage[];
  /** Events that it handles: one at a time (`on`), or those of a stream in batches. */
  readonly consumes?: readonly (EventHandler | StreamHandler)[];
  /** Its own RPCs; those for operators are added. */
  readonly routes?: (router: ConnectRouter, parts: ServiceParts) => void;
};

/** What RPCs work with, and what runs beside them. */
export type ServiceParts = {
  /** Throws where no database is declared. */
  readonly pool: Pool;
  /** Publishes an event, if and when the SQL transaction commits. */
  readonly emit: EmitIn;
  readonly log: Log;
  readonly metrics: Metrics;
  /** For what is the service's own to configure. */
  readonly env: Env;
  /** Its identity, for calls to other services. */
  readonly tls: TlsFiles;
  /** Closes it once the last call is answered: clients of other services, work in the background. */
  own<T extends AsyncDisposable>(part: T): T;
};
