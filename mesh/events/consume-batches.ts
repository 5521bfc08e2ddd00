// The loop of a consumer: takes a batch, has it settled, and only after COMMIT tells the broker. What
// cannot be handled goes to the dead letters, unless it is everything: then the consumer pauses
// with the batch in hand.

import { setImmediate as nextTurn } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { inTransaction } from "../database/transaction.ts";
import { createBreaker } from "./breaker.ts";
import { recordArrivals } from "./inbox.ts";
import type { RawMessage } from "./raw-message.ts";
import { giveUp } from "./settle.ts";
import {
  outcomeOf,
  pause,
  pauseMs,
  type Running,
  type Suspect,
  settleBatch,
} from "./settle-batch.ts";
import type { Delivery, Subscription } from "./subscription.ts";

const breakerPauseMsMax = 30_000;

export async function consumeBatches<D extends DescMessage>(
  running: Running<D>,
  subscription: Subscription,
  batchMax: number,
): Promise<void> {
  const { log, closing } = running;
  const breaker = createBreaker();
  let kept: readonly Delivery[] = [];
  for (let pauses = 0; ; ) {
    // While it pauses, new messages are tried with the old: one that can be handled ends the pause.
    const more = kept.length > 0 ? subscription.takeWaiting : subscription.take;
    const batch = [...kept, ...(await more(batchMax))];
    if (batch.length === 0) return;

    const settling = settleBatch(running, batch);
    await decodeAhead(running, subscription.peek(batchMax), settling);
    const { suspects, progressed } = await settling;
    if (breaker.judge({ suspects: suspects.length, progressed }) === "bury") {
      // Whoever ended the pause may have done so while the batch was halved.
      const guilty = pauses === 0 ? suspects : await tryAgain(running, suspects);
      for (const suspect of guilty) await bury(running, suspect);
      pauses = 0;
      kept = [];
      continue;
    }
    kept = suspects.map(({ delivery }) => delivery);
    if (pauses === 0) {
      const error = suspects[0]?.cause;
      log.error("nothing can be handled: the consumer pauses", { error, messages: kept.length });
    }
    await pause(running, pauseMs(pauses++, breakerPauseMsMax));
    if (closing.aborted) return;
  }
}

const sliceMax = 32;

/** Postgres works on one batch while we decode the next, a little between any two of its answers. */
async function decodeAhead<D extends DescMessage>(
  { settling }: Running<D>,
  next: readonly RawMessage[],
  settled: Promise<unknown>,
): Promise<void> {
  let over = false;
  const stop = () => {
    over = true;
  };
  settled.then(stop, stop);
  try {
    for (let from = 0; from < next.length && !over; from += sliceMax) {
      await nextTurn();
      for (const raw of next.slice(from, from + sliceMax)) settling.decode(raw);
    }
  } catch {
    // It is decoded again when it is its turn, and then told.
  }
}

async function tryAgain<D extends DescMessage>(
  running: Running<D>,
  suspects: readonly Suspect[],
): Promise<Suspect[]> {
  const guilty: Suspect[] = [];
  for (const { delivery } of suspects) {
    guilty.push(...(await settleBatch(running, [delivery])).suspects);
  }
  return guilty;
}

async function bury<D extends DescMessage>(
  running: Running<D>,
  { delivery, cause }: Suspect,
): Promise<void> {
  const { pool, settling, contentOf, log, closing, measure } = running;
  const { consumer } = settling;
  const { raw } = delivery;
  const { messageId, subject } = raw;
  log.error("a message cannot be handled and is put aside", { messageId, subject, error: cause });
  for (let failures = 0; ; failures++) {
    try {
      const verdict = await inTransaction(pool, async (tx) => {
        await recordArrivals(tx, consumer, [raw], contentOf);
        return giveUp(tx, settling, raw, cause);
      });
      measure.batch([outcomeOf({ raw, verdict })], 0);
      return running.done([delivery]);
    } catch (error) {
      log.error("the message cannot be put aside; trying on", { messageId, error });
    }
    await pause(running, pauseMs(failures));
    if (closing.aborted) return;
  }
}
