// Publishes the journal: the exact bytes of every fact, once they are committed, in the order of each
// ledger (where the broker fails in between, a fact that is sent again comes after later ones). One
// process does it at a time, and only while it reaches the broker: cut off, it leaves the lead to
// another. A ledger whose next fact cannot be published waits by itself; the others go on.

import { setTimeout as sleep } from "node:timers/promises";
import { whileLeading } from "#mesh/database/lead.ts";
import type { Pool, Session } from "#mesh/database/pool.ts";
import { isFault } from "#mesh/database/transaction.ts";
import type { Broker } from "#mesh/events/broker.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { type Backlog, readBacklogs } from "./backlog.ts";
import { type Bell, createBell } from "./bell.ts";
import { checkStream, publishBacklog } from "./publish-backlog.ts";

export type RelayOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
};

/** Wakes the relay when this process has committed something; it looks by itself all the same. */
export type Relay = AsyncDisposable & { wake(): void };

/** The same in every release: two that called it otherwise would both publish. */
const leadName = "ledger-service/relay";
const pollMs = 40;
/** How often a process that is not leading asks for the lead. */
const turnMs = 500;
/** How long a leader waits for the broker before another may try. */
const absenceMsMax = 1_000;
/** How often the stream is looked at while nothing is published. */
const checkMs = 5_000;
const pauseMsMax = 2_000;
const factsMax = 256;
const retryMs = 500;
const retryMsMax = 10_000;

/** Of a ledger whose next fact could not be published. */
type Aside = { readonly failures: number; readonly until: number };

type Running = RelayOptions & {
  readonly bell: Bell;
  readonly setLag: (events: number) => void;
  readonly aside: Map<bigint, Aside>;
  readonly stopping: AbortSignal;
};

export function startRelay(options: RelayOptions): Relay {
  const { metrics } = options;
  const stopping = new AbortController();
  const bell = createBell();
  stopping.signal.addEventListener("abort", bell.ring);
  const lag = metrics.gauge({
    name: "bursar_ledger_relay_lag_events",
    help: "Facts in the journal that are not published yet, when last looked at",
  });
  const aside = new Map<bigint, Aside>();
  metrics.gauge({
    name: "bursar_ledger_relay_stuck_ledgers",
    help: "Ledgers whose next fact could not be published when last tried",
    collect: (gauge) => gauge.set(aside.size),
  });
  const setLag = lag.set.bind(lag);
  const running = takeTurns({ ...options, bell, setLag, aside, stopping: stopping.signal });
  return {
    wake: bell.ring,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
    },
  };
}

/** Waits for its turn, publishes while it lasts, and begins again after a fault. */
async function takeTurns(running: Running): Promise<void> {
  const { pool, broker, log, aside, stopping } = running;
  let failures = 0;
  while (!stopping.aborted) {
    try {
      // Without a broker, the lead is of more use to another process.
      if (await broker.waitUntilConnected(turnMs)) {
        await whileLeading(pool, leadName, (session) => publishWhileConnected(session, running));
      }
      aside.clear();
      failures = 0;
      await pause(turnMs, stopping);
    } catch (error) {
      if (isFault(error)) log.warn("the journal cannot be published now", { error });
      else log.error("the journal cannot be published", { error });
      failures = Math.min(failures + 1, 10);
      const pauseMs = Math.min(pauseMsMax, 50 * 2 ** failures) * Math.random();
      await pause(turnMs + pauseMs, stopping);
    }
  }
}

async function publishWhileConnected(session: Session, running: Running): Promise<void> {
  const { broker, log, bell, stopping } = running;
  let streamSequence = 0n;
  let checkedUntil = 0;
  const forget = broker.onDisconnect(() => {
    checkedUntil = 0;
  });
  try {
    while (!stopping.aborted) {
      if (!(await broker.waitUntilConnected(absenceMsMax))) return;
      if (performance.now() >= checkedUntil) {
        checkedUntil = performance.now() + checkMs;
        const check = await checkStream(session, broker);
        if (check.lost) logLoss(log);
        streamSequence = check.streamSequence;
      }
      const round = await publishRound(session, running, streamSequence);
      streamSequence = round.streamSequence;
      if (round.lost) {
        logLoss(log);
        checkedUntil = 0;
      } else if (round.idle) await bell.wait(pollMs);
    }
  } finally {
    forget();
  }
}

type Round = {
  readonly streamSequence: bigint;
  readonly lost: boolean;
  /** Nothing was published. */
  readonly idle: boolean;
};

/** Some facts of each ledger. */
async function publishRound(
  session: Session,
  running: Running,
  startSequence: bigint,
): Promise<Round> {
  const { broker, setLag, aside } = running;
  let streamSequence = startSequence;
  let left = 0n;
  let idle = true;
  for (const backlog of await readBacklogs(session)) {
    const { id, head } = backlog;
    left += head - backlog.published;
    const waiting = aside.get(id);
    if (waiting && waiting.until > performance.now()) continue;
    try {
      // What follows a fact that was refused would be sent with it, again and again.
      const options = { streamSequence, factsMax: waiting ? 1 : factsMax };
      const step = await publishBacklog(session, broker, backlog, options);
      if (step.lost) return { streamSequence: 0n, lost: true, idle: false };
      aside.delete(id);
      streamSequence = step.streamSequence;
      left -= step.published - backlog.published;
      idle = false;
    } catch (error) {
      setAside(running, backlog, error);
      // The broker or the database may fail all of them: another process may do better.
      if (isFault(error)) throw error;
    }
  }
  setLag(Number(left));
  return { streamSequence, lost: false, idle };
}

function setAside({ aside, log }: Running, { id, ledgerId }: Backlog, error: unknown): void {
  const failures = (aside.get(id)?.failures ?? 0) + 1;
  const waitMs = Math.min(retryMsMax, retryMs * 2 ** (failures - 1));
  aside.set(id, { failures, until: performance.now() + waitMs });
  if (isFault(error)) return;
  log.error("a ledger cannot be published and waits", { ledgerId, failures, waitMs, error });
}

function logLoss(log: Log): void {
  log.error("the LEDGER stream lost facts it had acknowledged; all are published again");
}

async function pause(durationMs: number, stopping: AbortSignal): Promise<void> {
  await sleep(durationMs, undefined, { signal: stopping }).catch(() => {});
}
