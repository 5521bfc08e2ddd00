// Builds the ledger service from its configuration. What is opened last is closed first: no new
// calls, no new events, what is queued is committed, what is committed is published or stays in the
// journal.

import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { migrate } from "#mesh/database/migrate.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import { watchDatabase } from "#mesh/database/watch.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { startConsumer } from "#mesh/events/consume.ts";
import type { ConsumerDefinition } from "#mesh/events/consumer-definition.ts";
import { consumerService } from "#mesh/events/consumer-service.ts";
import { deadLetterService } from "#mesh/events/dead-letter-service.ts";
import { checkEvents } from "#mesh/policy/check.ts";
import type { Log } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { createServiceLog } from "#mesh/process/service-log.ts";
import { startServer } from "#mesh/rpc/server.ts";
import { startTelemetry } from "#mesh/telemetry/start.ts";
import { type Config, readConfig } from "./config.ts";
import { handlePayments, paymentEvents } from "./consumer.ts";
import { ledgerEvents } from "./journal.ts";
import { startFollowers } from "./outgoing/followers.ts";
import { startRelay } from "./outgoing/relay.ts";
import { startPoster } from "./poster.ts";
import { auditService } from "./rpc/audit.ts";
import { holdService } from "./rpc/holds.ts";
import { ledgerService } from "./rpc/service.ts";
import { startHoldExpiry } from "./upkeep/hold-expiry.ts";
import { startLateIndex } from "./upkeep/late-index.ts";
import { startNoteIndex } from "./upkeep/note-index.ts";
import { watchSuspense } from "./upkeep/suspense-watch.ts";
import { createVerifier } from "./verify/verifier.ts";

export const service = "ledger-service";
const schema = "ledger";
const paymentsConsumer: ConsumerDefinition<typeof paymentEvents> = {
  consumer: "ledger-service-PAYMENTS",
  stream: "PAYMENTS",
  events: paymentEvents,
  handle: handlePayments,
};
/** Events a batch: enough to share a commit, few enough to hold the lock for milliseconds. */
const batchMax = 1_000;

export type LedgerApp = AsyncDisposable & { readonly port: number };

export async function run(): Promise<void> {
  const { env } = process;
  const log = createServiceLog(service, env);
  await runUntilSignal(log, async () => startLedger(readConfig(env), log));
}

export async function startLedger(config: Config, log: Log): Promise<LedgerApp> {
  checkEvents({ service, produces: ledgerEvents, consumes: paymentEvents });
  await using stack = new AsyncDisposableStack();
  const { database } = config;
  const metrics = createMetrics(service);
  stack.use(await startTelemetry({ service, config: config.telemetry, log, metrics }));
  const events = [...paymentEvents, ...ledgerEvents];

  const migrations = new URL("./migrations/", import.meta.url);
  await migrate({ url: database.ownerUrl, schema, migrations, log });
  const { url, connectionsMax, idleInTransactionMs } = database;
  const pool: Pool = openPool({
    url,
    connectionsMax,
    idleInTransactionMs,
    schema,
    applicationName: service,
  });
  stack.defer(() => pool.end({ timeout: 5 }));
  const broker = stack.use(openBroker({ ...config.broker, name: service, events, log, metrics }));

  const relay = stack.use(startRelay({ pool, broker, log, metrics }));
  const followers = stack.use(startFollowers({ pool, log, metrics }));
  const noteIndex = stack.use(startNoteIndex({ pool, log, metrics }));
  const verifier = createVerifier(pool);
  const afterCommit = () => {
    relay.wake();
    followers.wake();
    noteIndex.wake();
  };
  const poster = stack.use(startPoster({ pool, metrics, afterCommit }));
  stack.use(startHoldExpiry({ pool, log, metrics, afterCommit }));
  stack.use(startLateIndex({ pool, log }));
  stack.use(
    startConsumer({
      ...paymentsConsumer,
      batchMax,
      pool,
      broker,
      log,
      metrics,
      afterCommit,
    }),
  );
  stack.use(watchSuspense({ pool, metrics }));
  const watched = stack.use(watchDatabase(pool));
  const stopping = new AbortController();
  const server = stack.use(
    await startServer({
      service,
      config: config.mesh,
      log,
      metrics,
      routes: (router) => {
        router.service(LedgerService, ledgerService(pool, poster, stopping.signal));
        router.service(HoldService, holdService(pool, poster));
        router.service(AuditService, auditService({ pool, followers, verifier }));
        router.service(ConsumerService, consumerService(pool));
        router.service(DeadLetterService, deadLetterService(pool, [paymentsConsumer]));
      },
      // Without the broker it still posts and answers; what it commits waits in the journal.
      readiness: () => watched.problems(),
    }),
  );
  // Streams that last end first: the server would wait for them.
  stack.defer(() => {
    followers.end();
    verifier.end();
    stopping.abort();
  });
  const opened = stack.move();
  return { port: server.port, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}
