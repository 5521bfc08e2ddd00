// Brings committed events from the outbox to the broker, in their order. Killed between the
// broker's acknowledgement and the delete, it publishes again under the same id.

import { setTimeout as sleep } from "node:timers/promises";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Pool, Tx } from "../database/pool.ts";
import { inTransaction } from "../database/transaction.ts";
import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import type { Broker } from "./broker.ts";
import { outboxConsumer, writeDeadLetters } from "./dead-letters.ts";
import type { EncodedEvent } from "./event.ts";
import { isRefused } from "./publish.ts";
import { publishAll } from "./publish-group.ts";
import { ensureStream } from "./streams.ts";

export type OutboxRelayOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
};

/** How long a commit that nobody told us about (`wake`) waits. */
const pollMs = 50;
const batchMax = 500;
/** Below the pool's limit of idleness inside a SQL transaction. */
const publishDeadlineMs = 5_000;
const measureMs = 10_000;

export function startOutboxRelay(
  options: OutboxRelayOptions,
): AsyncDisposable & { /** Call after a commit that appended. */ wake(): void } {
  const closing = new AbortController();
  const bell = { rung: Promise.withResolvers<void>() };
  const running = run(options, bell, closing.signal);
  const measured = measure(options, closing.signal);
  return {
    wake: () => bell.rung.resolve(),
    async [Symbol.asyncDispose]() {
      closing.abort();
      bell.rung.resolve();
      await Promise.all([running, measured]);
    },
  };
}

async function run(
  { pool, broker, log, metrics }: OutboxRelayOptions,
  bell: { rung: PromiseWithResolvers<void> },
  closing: AbortSignal,
): Promise<void> {
  const published = metrics.counter({
    name: "bursar_outbox_published_total",
    help: "Events that the broker acknowledged",
  });
  const ensured = new Set<string>();
  for (let failures = 0; !closing.aborted; ) {
    try {
      const relayed = broker.connected ? await relayRound({ pool, broker, log, ensured }) : 0;
      published.inc(relayed);
      failures = 0;
      if (relayed > 0) continue;
    } catch (error) {
      ensured.clear();
      if (failures++ === 0) log.warn("the outbox relay pauses", { error });
    }
    const idleMs = failures === 0 ? pollMs : Math.min(5_000, pollMs * 2 ** failures);
    await Promise.race([bell.rung.promise, sleep(idleMs, undefined, { signal: closing })]).catch(
      () => {},
    );
    bell.rung = Promise.withResolvers();
  }
}

type Row = EncodedEvent & { readonly outboxId: bigint };

type Round = Pick<OutboxRelayOptions, "pool" | "broker" | "log"> & {
  /** Streams that are known to be there: an event that finds none would be overtaken. */
  readonly ensured: Set<string>;
};

/** How many events left the outbox. */
async function relayRound({ pool, broker, log, ensured }: Round): Promise<number> {
  const [found] = await pool`select exists (select from outbox) as some`;
  if (!found?.["some"]) return 0;
  return inTransaction(pool, async (tx) => {
    // One relay at a time, so that order holds; its death frees the lock at once.
    const [lock] = await tx`
      select pg_try_advisory_xact_lock(hashtextextended(current_schema() || ' outbox', 0)) as mine
    `;
    if (!lock?.["mine"]) return 0;
    const rows = await readOldest(tx);
    for (const stream of new Set(rows.map((row) => row.stream))) {
      if (!ensured.has(stream) && broker.streams.has(stream)) await ensureStream(broker, stream);
      ensured.add(stream);
    }
    const outcomes = await publishAll(broker, rows, { deadlineMs: publishDeadlineMs });
    const failedAt = outcomes.findIndex(({ status }) => status === "rejected");
    const acked = failedAt < 0 ? rows : rows.slice(0, failedAt);
    await deleteRows(tx, acked);
    const failed = outcomes[failedAt];
    if (failed?.status !== "rejected") return acked.length;
    if (isRefused(failed.reason)) {
      await giveUp(tx, rows[failedAt]!, failed.reason, log);
      return acked.length + 1;
    }
    ensured.clear();
    log.warn("the broker did not acknowledge an event", { error: failed.reason });
    return acked.length;
  });
}

async function readOldest(tx: Tx): Promise<Row[]> {
  return tx<Row[]>`
    select outbox_id as "outboxId", message_id as "messageId", subject, stream, data, headers
    from outbox
    order by outbox_id
    limit ${batchMax}
  `;
}

/** These very rows: a lower id may have been committed since they were read. */
async function deleteRows(tx: Tx, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  const ids = rows.map(({ outboxId }) => String(outboxId));
  await tx`delete from outbox where outbox_id = any (${ids}::bigint[])`;
}

/** The broker will never take it, and what follows must not wait for it forever. */
async function giveUp(tx: Tx, row: Row, error: unknown, log: Log): Promise<void> {
  log.error("the broker refuses an event; it goes to the dead letters", {
    messageId: row.messageId,
    subject: row.subject,
    error,
  });
  const raw = { ...row, streamSequence: 0n, deliveryCount: 1 };
  await writeDeadLetters(tx, outboxConsumer, [
    { raw, reason: DeadLetterReason.BUG, detail: String(error) },
  ]);
  await deleteRows(tx, [row]);
}

async function measure({ pool, metrics }: OutboxRelayOptions, closing: AbortSignal) {
  const pending = metrics.gauge({
    name: "bursar_outbox_pending",
    help: "Events that are committed and not yet published",
  });
  const oldest = metrics.gauge({
    name: "bursar_outbox_oldest_seconds",
    help: "Age of the event that has waited longest to be published",
  });
  while (!closing.aborted) {
    const rows = await pool<{ pending: number; seconds: number }[]>`
      select count(*)::int as pending,
        coalesce(extract(epoch from now() - min(created_at)), 0)::float8 as seconds
      from outbox
    `.catch(() => []);
    const [found] = rows;
    if (found) {
      pending.set(found.pending);
      oldest.set(found.seconds);
    }
    await sleep(measureMs, undefined, { signal: closing }).catch(() => {});
  }
}
