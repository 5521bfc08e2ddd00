// Brings spooled webhooks to the broker, oldest first and under the ids they had at
// the door. A row is deleted after the broker has it on disk, never before; a crash in
// between sends it twice, which the broker or the desk recognises. What the broker
// will never take steps out of the queue, and is kept.

import { setTimeout as sleep } from "node:timers/promises";
import { fromBinary } from "@bufbuild/protobuf";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { isRefused, type Published, publish } from "#mesh/events/publish.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { describeProblems, validate } from "#mesh/policy/validation.ts";
import type { Log } from "#mesh/process/log.ts";
import { isLarge } from "../bodies.ts";
import { encodeWebhook, publishWebhook } from "../publish-webhook.ts";
import { openOrphans } from "./orphans.ts";
import type { Spool } from "./spool.ts";
import { type SpoolFile, SpoolFileCorrupt, type SpoolRow } from "./spool-file.ts";

export type DrainOptions = {
  readonly spool: Spool;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  readonly log: Log;
  readonly onAcknowledged?: (sequence: bigint) => void;
};

const rowsMax = 100;
const bytesMax = 4 * 1024 ** 2;
const deadlineMs = 5_000;
const pollMs = 250;
const pauseMsMax = 5_000;
/** How often files are looked for that another process has left. */
const orphansMs = 30_000;

type Draining = DrainOptions & { readonly stopping: AbortSignal };

export function startDrain(options: DrainOptions): AsyncDisposable {
  const stopping = new AbortController();
  const running = drain({ ...options, stopping: stopping.signal });
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

async function drain(draining: Draining): Promise<void> {
  const { spool, broker, log, stopping } = draining;
  let failures = 0;
  let orphansAt = Number.NEGATIVE_INFINITY;
  while (!stopping.aborted) {
    try {
      if (broker.connected) {
        const own = spool.file();
        if (own) await drainFile(draining, own);
        if (performance.now() - orphansAt >= orphansMs) {
          await drainOrphans(draining);
          orphansAt = performance.now();
        }
      }
      failures = 0;
    } catch (error) {
      if (failures === 0) log.warn("the spool cannot be drained now", { error });
      failures += 1;
    }
    const pauseMs = Math.min(pauseMsMax, pollMs * 2 ** failures);
    await sleep(pauseMs, undefined, { signal: stopping }).catch(() => {});
  }
}

/** Files of processes that are gone. Who holds a file's lock drains it; nobody else can. */
async function drainOrphans(draining: Draining): Promise<void> {
  const { spool, log, stopping } = draining;
  for (const orphan of openOrphans(spool, log)) {
    spool.metrics.files.add(orphan);
    try {
      if (stopping.aborted) return;
      const { rows } = orphan.count();
      if (rows > 0) log.info("spooled webhooks of another process are drained", { rows });
      await drainFile(draining, orphan);
    } finally {
      spool.metrics.files.delete(orphan);
      orphan[Symbol.dispose]();
    }
  }
}

/** Until it is empty. Throws what keeps the broker from taking the next. */
async function drainFile(draining: Draining, file: SpoolFile): Promise<void> {
  const { stopping } = draining;
  let drained = false;
  while (!stopping.aborted) {
    const rows = reading(draining, file, () => file.oldest({ rows: rowsMax, bytes: bytesMax }));
    if (rows.length === 0) break;
    const outcomes = await publishRows(draining, rows);
    reading(draining, file, () => settleRows(draining, file, outcomes));
    const failed = outcomes.find(({ kind }) => kind === "unknown");
    if (failed?.kind === "unknown") throw failed.fault;
    drained = true;
  }
  if (drained && file.count().rows === 0) giveSpaceBack(draining, file);
}

/** It needs some space itself: on a full disk the file stays as large as it was. */
function giveSpaceBack(draining: Draining, file: SpoolFile): void {
  try {
    file.shrink();
  } catch (error) {
    if (error instanceof SpoolFileCorrupt) draining.spool.broken(file, error);
    else draining.log.debug("a spool file cannot be made smaller now", { error });
  }
}

function reading<T>({ spool }: Draining, file: SpoolFile, work: () => T): T {
  try {
    return work();
  } catch (fault) {
    spool.broken(file, fault);
    throw fault;
  }
}

type RowOutcome = { readonly id: number } & (
  | { readonly kind: "stored"; readonly sequence: bigint }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "unknown"; readonly fault: unknown }
);

/** In their order: those that fit into messages together, a large one by itself. */
async function publishRows(
  draining: Draining,
  rows: readonly SpoolRow[],
): Promise<readonly RowOutcome[]> {
  const outcomes: RowOutcome[] = [];
  let together: Readable[] = [];
  const send = async () => {
    outcomes.push(...(await publishTogether(draining, together)));
    together = [];
  };
  for (const row of rows) {
    const webhook = readWebhook(row);
    if (webhook instanceof Error) {
      outcomes.push({ id: row.id, kind: "refused", reason: webhook.message });
    } else if (isLarge(webhook)) {
      await send();
      outcomes.push(await publishAlone(draining, { row, webhook }));
    } else together.push({ row, webhook });
  }
  await send();
  return outcomes;
}

type Readable = { readonly row: SpoolRow; readonly webhook: WebhookReceived };

function readWebhook({ webhook }: SpoolRow): WebhookReceived | Error {
  try {
    const read = fromBinary(WebhookReceivedSchema, webhook);
    // Another release may have judged it otherwise; nothing may hold up the queue.
    const problems = validate(WebhookReceivedSchema, read);
    return problems.length === 0 ? read : new Error(describeProblems(problems));
  } catch (cause) {
    return new Error("the row cannot be read", { cause });
  }
}

async function publishTogether(
  { broker, source }: Draining,
  readable: readonly Readable[],
): Promise<readonly RowOutcome[]> {
  const events = readable.map(({ row, webhook }) =>
    encodeWebhook(webhook, { source, traceparent: row.traceparent }),
  );
  const published = await publishAll(broker, events, { deadlineMs });
  return published.map((outcome, n) => outcomeOf(readable[n]!.row, outcome));
}

async function publishAlone(
  { broker, source }: Draining,
  { row, webhook }: Readable,
): Promise<RowOutcome> {
  const [outcome] = await Promise.allSettled([
    publishWebhook((event, on) => publish(broker, event, on), webhook, {
      source,
      deadlineMs: 4 * deadlineMs,
    }),
  ]);
  return outcomeOf(row, outcome);
}

function outcomeOf({ id }: SpoolRow, outcome: PromiseSettledResult<Published>): RowOutcome {
  if (outcome.status === "fulfilled") {
    return { id, kind: "stored", sequence: outcome.value.sequence };
  }
  const { reason: fault } = outcome;
  if (isRefused(fault)) return { id, kind: "refused", reason: String(fault) };
  return { id, kind: "unknown", fault };
}

function settleRows(
  { spool, log, onAcknowledged }: Draining,
  file: SpoolFile,
  outcomes: readonly RowOutcome[],
): void {
  const stored = outcomes.filter((outcome) => outcome.kind === "stored");
  for (const { sequence } of stored) onAcknowledged?.(sequence);
  file.remove(stored.map(({ id }) => id));
  spool.metrics.drained.inc(stored.length);
  for (const outcome of outcomes) {
    if (outcome.kind !== "refused") continue;
    const { id, reason } = outcome;
    file.refuse(id, reason);
    log.error("the broker will not take a spooled webhook; it is kept in the spool", {
      file: file.path,
      row: id,
      reason,
    });
  }
}
