// Notices that the broker has lost webhooks it had acknowledged: its store was wiped, or put back
// to an earlier state. Nobody can bring them back but their providers, so what is said is how many
// they are and when they came. Off the way of the answer: it looks at the stream twice a second.

import { setTimeout as sleep } from "node:timers/promises";
import type { Broker } from "#mesh/events/broker.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";

export type LossWatch = AsyncDisposable & {
  /** A sequence of the stream that was acknowledged. */
  note(sequence: bigint): void;
};

export type LossWatchOptions = {
  readonly broker: Broker;
  readonly log: Log;
  readonly metrics: Metrics;
};

const stream = "WEBHOOKS";
const consumer = "gateway-WEBHOOKS";
const lookMs = 500;
/**
 * Of times at which so much was acknowledged: half an hour, then the range is told more coarsely.
 */
const samplesMax = 3_600;

type Sample = { readonly sequence: number; readonly ms: number };

/** One life of the stream, from when it was made. */
type Life = {
  readonly created: string;
  /** What was acknowledged, and when; the first is the last that the desk has settled. */
  samples: Sample[];
  settled: number;
};

export function startLossWatch({ broker, log, metrics }: LossWatchOptions): LossWatch {
  const lost = metrics.gauge({
    name: "bursar_gateway_lost_webhooks",
    help: "Acknowledged webhooks that went with the broker's store, at most, since the start",
    // Every process that holds a door sees the same loss.
    across: "max",
  });
  lost.set(0);
  const stopping = new AbortController();
  let life: Life | undefined;
  let fresh = 0;

  /** What was heard before a connection was lost is of the life before. */
  const merge = () => {
    if (life && fresh > acknowledgedIn(life)) {
      life.samples.push({ sequence: fresh, ms: Date.now() });
      if (life.samples.length > samplesMax) life.samples.splice(1, 1);
    }
    fresh = 0;
  };
  const forget = broker.onDisconnect(merge);

  async function look(): Promise<void> {
    const manager = await broker.jsm();
    const { created, state } = await manager.streams.info(stream);
    const before = life;
    const isSame = before?.created === created;
    if (before && (!isSame || state.last_seq < acknowledgedIn(before))) {
      report(before, isSame ? state.last_seq : 0);
      life = undefined;
      fresh = 0;
    }
    life ??= { created, samples: [{ sequence: state.last_seq, ms: Date.now() }], settled: 0 };
    merge();
    const info = await manager.consumers.info(stream, consumer).catch(() => undefined);
    if (info) settle(life, info.ack_floor.stream_seq);
  }

  function report(before: Life, kept: number): void {
    const first = Math.max(before.settled, kept);
    const count = acknowledgedIn(before) - first;
    if (count <= 0) return;
    lost.inc(count);
    const from = before.samples.findLast(({ sequence }) => sequence <= first) ?? before.samples[0]!;
    log.error("the broker lost webhooks that were acknowledged and not settled", {
      count,
      from: new Date(from.ms).toISOString(),
      until: new Date(before.samples.at(-1)!.ms).toISOString(),
      next: "have the providers send again what they sent in this time",
    });
  }

  const running = (async () => {
    while (!stopping.signal.aborted) {
      // A stream that is missing is one that nobody has made again yet.
      if (broker.connected) await look().catch((error) => log.debug("no stream", { error }));
      await sleep(lookMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    note(sequence) {
      fresh = Math.max(fresh, Number(sequence));
    },
    async [Symbol.asyncDispose]() {
      forget();
      stopping.abort();
      await running;
    },
  };
}

function acknowledgedIn({ samples }: Life): number {
  return samples.at(-1)?.sequence ?? 0;
}

/** Of the times before, the last one is where the range of a loss begins. */
function settle(life: Life, settled: number): void {
  life.settled = Math.max(life.settled, settled);
  const last = life.samples.findLastIndex(({ sequence }) => sequence <= life.settled);
  if (last > 0) life.samples = life.samples.slice(last);
}
