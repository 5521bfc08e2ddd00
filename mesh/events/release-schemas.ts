// The other end of waiting for a schema: at its start, and again and again, a release takes out what
// waits for schemas that it knows, oldest first, and settles it as if it had just arrived. A round
// is one SQL transaction of bounded size, and one process at a time does it.

import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Tx } from "../database/pool.ts";
import { inTransaction } from "../database/transaction.ts";
import { type Breaker, createBreaker } from "./breaker.ts";
import { forgetArrivals, recordContents } from "./inbox.ts";
import { takeOldestParked } from "./parking.ts";
import { type EventVersions, unclaimed, versionsOf } from "./pass-over.ts";
import type { RawMessage } from "./raw-message.ts";
import { release, settleReleased } from "./release.ts";
import { readSchemaKey } from "./schema-key.ts";
import { endSpans, type Settled } from "./settle.ts";
import { isProgress, outcomeOf, type Running, tellOfReleased } from "./settle-batch.ts";

const pollMs = 10_000;
/** What trips every time takes the handler's locks every time. */
const pauseMsMax = 60_000;
const roundMax = 200;

/** Looks until the consumer closes: an older release beside this one may go on parking. */
export async function keepReleasingSchemas<D extends DescMessage>(
  running: Running<D>,
): Promise<void> {
  const { log, closing } = running;
  const breaker = createBreaker();
  for (let failures = 0; !closing.aborted; ) {
    try {
      // Once for all rounds: it reads every row that waits.
      const keys = await readSchemaKeys(running);
      await releaseAll(running, breaker, keys).catch((error: unknown) => {
        if (keys.length < 2) throw error;
        return releaseOneByOne(running, breaker, keys);
      });
      failures = 0;
    } catch (error) {
      if (failures++ === 0) log.warn("what waits for schemas goes on waiting", { error });
    }
    const pauseMs = Math.min(pauseMsMax, pollMs * 2 ** failures);
    await sleep(pauseMs, undefined, { signal: closing }).catch(() => {});
  }
}

/** What waits longest, and cannot be handled, must not hold up what waits for another schema. */
async function releaseOneByOne<D extends DescMessage>(
  running: Running<D>,
  breaker: Breaker,
  keys: readonly string[],
): Promise<void> {
  const failures: unknown[] = [];
  for (const key of keys) {
    await releaseAll(running, breaker, [key]).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

async function releaseAll<D extends DescMessage>(
  running: Running<D>,
  breaker: Breaker,
  keys: readonly string[],
): Promise<void> {
  while (keys.length > 0 && !running.closing.aborted) {
    if ((await releaseSchemas(running, breaker, keys)) === 0) return;
  }
}

/** How many events have stopped waiting. */
async function releaseSchemas<D extends DescMessage>(
  running: Running<D>,
  breaker: Breaker,
  waiting: readonly string[],
): Promise<number> {
  const { pool, measure } = running;
  const started = performance.now();
  const round = await inTransaction(pool, (tx) => releaseRound(tx, running, breaker, waiting));
  measure.passedOver(round.passedOver);
  if (round.settled.length > 0) {
    measure.batch(round.settled.map(outcomeOf), performance.now() - started);
    endSpans(round.settled);
    tellOfReleased(running, round.settled);
    running.committed();
  }
  return round.taken;
}

type Round = {
  readonly taken: number;
  readonly passedOver: readonly string[];
  readonly settled: readonly Settled[];
};

async function releaseRound<D extends DescMessage>(
  tx: Tx,
  running: Running<D>,
  breaker: Breaker,
  waiting: readonly string[],
): Promise<Round> {
  const { settling, contentOf } = running;
  const { consumer } = settling;
  const [lock] = await tx`
    select pg_try_advisory_xact_lock(
      hashtextextended(current_schema() || ' schemas ' || ${consumer}, 0)) as mine
  `;
  if (!lock?.["mine"]) return { taken: 0, passedOver: [], settled: [] };
  const others = await unclaimed(tx, consumer, running.others);
  const handled = versionsOf(settling.events);
  const keys = waiting.filter((key) => {
    const { event, version } = readSchemaKey(key);
    return others.has(event) || version <= (handled.get(event) ?? -1);
  });
  const taken = await takeOldestParked(tx, consumer, keys, roundMax);
  const mine = taken.filter(({ subject }) => !others.has(subject));
  const passed = taken.filter(({ subject }) => others.has(subject));
  if (passed.length > 0) await letGo(tx, consumer, passed, others);
  const passedOver = passed.map(({ subject }) => subject);
  if (mine.length === 0) return { taken: taken.length, passedOver, settled: [] };

  const { settled, arrived } = await settleReleased(tx, settling, mine);
  mustProgress(settled, breaker);
  const released = await release(tx, settling, arrived);
  await recordContents(tx, consumer, mine, contentOf);
  return { taken: taken.length, passedOver, settled: [...settled, ...released] };
}

/**
 * As what is passed over on the stream it leaves no row: a release that handles it after all reads
 * the stream again, and must find it new.
 */
async function letGo(
  tx: Tx,
  consumer: string,
  passed: readonly RawMessage[],
  others: EventVersions,
): Promise<void> {
  await forgetArrivals(tx, consumer, passed);
  // That release may have started in between, and have met a row that was still there.
  const free = await unclaimed(tx, consumer, others);
  if (free.size < others.size) throw new Error("a newer release handles what was to be let go");
}

/** A bug that hits everything would empty the parked events into the dead letters: undo it. */
function mustProgress(settled: readonly Settled[], breaker: Breaker): void {
  const bugs = settled.filter(({ verdict }) => {
    return verdict.kind === "dead" && verdict.reason === DeadLetterReason.BUG;
  });
  const progressed = settled.some(isProgress);
  if (breaker.judge({ suspects: bugs.length, progressed }) === "bury") return;
  const [bug] = bugs;
  const detail = bug?.verdict.kind === "dead" ? bug.verdict.detail : "";
  throw new Error(`nothing that waited for its schema can be handled: ${detail}`);
}

async function readSchemaKeys<D extends DescMessage>({
  pool,
  settling,
}: Running<D>): Promise<string[]> {
  const rows = await pool<{ key: string }[]>`
    select distinct waits_for as key from parked
    where consumer = ${settling.consumer} and starts_with(waits_for, 'schema/')
  `;
  return rows.map(({ key }) => key);
}
