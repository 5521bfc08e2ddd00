// Publishes the journal: the exact bytes of every fact, once they are committed, in the order of each
// ledger (where the broker fails in between, a fact that is sent again comes after later ones).
// Dense sequences need no outbox: what is above the published position is what is still to be
// published, and no gap can fill up later. One process publishes at a time, and its death frees the
// lock at once. A broker that holds fewer facts than it acknowledged has lost some: then the whole
// journal is published again, and consumers recognise what they have.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool, Session } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { type EncodedEvent, wrapEvent } from "#mesh/events/event.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { ledgerEvents } from "./journal.ts";

export type RelayOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
};

/** Wakes the relay when this process has committed something; it looks by itself all the same. */
export type Relay = AsyncDisposable & { wake(): void };

const pollMs = 40;
/** How often a process that is not leading asks for the lead. */
const turnMs = 500;
const pauseMsMax = 2_000;
const inFlightMax = 256;
const publishDeadlineMs = 5_000;
const source = "ledger-service";
const schemaOf = new Map(ledgerEvents.map((schema) => [schema.typeName as string, schema]));

export function startRelay(options: RelayOptions): Relay {
  const stopping = new AbortController();
  const bell = createBell();
  stopping.signal.addEventListener("abort", bell.ring);
  const lag = options.metrics.gauge({
    name: "bursar_ledger_relay_lag_events",
    help: "Facts in the journal that are not published yet, when last looked at",
  });
  const running = lead(options, bell, lag.set.bind(lag), stopping.signal);
  return {
    wake: bell.ring,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

/** Waits for its turn, publishes while it lasts, and begins again after a fault. */
async function lead(
  options: RelayOptions,
  bell: Bell,
  setLag: (events: number) => void,
  stopping: AbortSignal,
): Promise<void> {
  const { pool, log } = options;
  let failures = 0;
  while (!stopping.aborted) {
    try {
      const session = await pool.reserve();
      try {
        if (await tryLock(session)) {
          await publishUntilStopped(session, options, bell, setLag, stopping);
          await session`select pg_advisory_unlock(hashtextextended(${lockName}, 0))`;
        }
      } finally {
        session.release();
      }
      failures = 0;
      await pause(turnMs, stopping);
    } catch (error) {
      if (isFault(error)) log.warn("the journal cannot be published now", { error });
      else log.error("the journal cannot be published", { error });
      failures = Math.min(failures + 1, 10);
      await pause(Math.min(pauseMsMax, 50 * 2 ** failures) * Math.random(), stopping);
    }
  }
}

async function publishUntilStopped(
  session: Session,
  { broker, log }: RelayOptions,
  bell: Bell,
  setLag: (events: number) => void,
  stopping: AbortSignal,
): Promise<void> {
  let prepared = false;
  while (!stopping.aborted) {
    if (!broker.connected) {
      prepared = false;
      await bell.wait(pollMs);
      continue;
    }
    if (!prepared) {
      // Made by the first publish, the stream would let later ones overtake the first.
      await ensureStream(broker, "LEDGER");
      await rewindIfLost(session, broker, log);
      prepared = true;
    }
    let left = 0n;
    for (const backlog of await readBacklogs(session)) {
      const published = await publishSome(session, broker, backlog);
      left += backlog.head - published;
    }
    setLag(Number(left));
    if (left === 0n) await bell.wait(pollMs);
  }
}

/** The stream counts every message it ever stored, so it cannot count less than was published. */
async function rewindIfLost(session: Session, broker: Broker, log: Log): Promise<void> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("LEDGER");
  const [row] = await session<{ published: bigint }[]>`
    select coalesce(sum(published_sequence), 0)::bigint as published from relay_position
  `;
  const published = row?.published ?? 0n;
  if (BigInt(state.last_seq) >= published) return;
  log.error("the LEDGER stream lost facts it had acknowledged; all are published again", {
    published,
    stored: state.last_seq,
  });
  await session`update relay_position set published_sequence = 0`;
}

/** Moves one ledger's position past what the broker has acknowledged without a gap. */
async function publishSome(session: Session, broker: Broker, backlog: Backlog): Promise<bigint> {
  const rows = await readRows(session, backlog);
  const events = rows.map((row) => eventOf(backlog, row));
  const results = await publishAll(broker, events, { deadlineMs: publishDeadlineMs });
  const failed = results.findIndex(({ status }) => status === "rejected");
  const acknowledged = rows[(failed === -1 ? rows.length : failed) - 1]?.sequence;
  if (acknowledged !== undefined) {
    await session`
      insert into relay_position (ledger_id, published_sequence)
      values (${backlog.id}, ${acknowledged})
      on conflict (ledger_id) do update set published_sequence = excluded.published_sequence
    `;
  }
  const failure = results[failed];
  if (failure?.status === "rejected") {
    const next = (acknowledged ?? backlog.published) + 1n;
    throw new Error(`fact ${next} of ledger ${backlog.ledgerId} was not published`, {
      cause: failure.reason,
    });
  }
  return acknowledged ?? backlog.published;
}

function eventOf({ ledgerId }: Backlog, row: Row): EncodedEvent {
  const schema = schemaOf.get(row.subject);
  assert(schema, `the journal holds ${row.subject}, which is no event of the ledger`);
  const messageId = `${ledgerId}/${row.sequence}`;
  return wrapEvent(schema, row.data, { messageId, source, time: row.time, key: ledgerId });
}

const lockName = "ledger-service/relay";

async function tryLock(session: Session): Promise<boolean> {
  const [row] = await session<{ locked: boolean }[]>`
    select pg_try_advisory_lock(hashtextextended(${lockName}, 0)) as locked
  `;
  return row?.locked === true;
}

type Backlog = {
  readonly id: bigint;
  readonly ledgerId: string;
  readonly published: bigint;
  readonly head: bigint;
};

async function readBacklogs(session: Session): Promise<Backlog[]> {
  return session<Backlog[]>`
    select id, ledger_code as "ledgerId", coalesce(published_sequence, 0) as published,
      head_sequence as head
    from ledger left join relay_position on ledger_id = id
    where head_sequence > coalesce(published_sequence, 0)
    order by id
  `;
}

type Row = {
  readonly sequence: bigint;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly time: Date;
};

async function readRows(session: Session, { id, published }: Backlog): Promise<Row[]> {
  return session<Row[]>`
    select sequence, subject, data, written.recorded_time as time
    from journal
    cross join lateral (
      select recorded_time from batch
      where batch.ledger_id = journal.ledger_id and first_sequence <= journal.sequence
      order by first_sequence desc limit 1
    ) written
    where journal.ledger_id = ${id} and sequence > ${published}
    order by sequence
    limit ${inFlightMax}
  `;
}

type Bell = { readonly ring: () => void; wait(timeoutMs: number): Promise<void> };

/** A ring while nobody waits is kept for who waits next. */
function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait(timeoutMs) {
      if (!rung) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, timeoutMs);
        wake = resolve;
        await promise;
        clearTimeout(timer);
        wake = undefined;
      }
      rung = false;
    },
  };
}

async function pause(durationMs: number, stopping: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal: stopping }).catch(() => {});
}
