// Many dead letters once more, each as if it were the only one: in a SQL transaction of its own, and
// whatever becomes of it, the next one follows.

import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import {
  type DeadLetterFilter,
  DeadLetterReplayOutcome,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { isTimeout } from "../database/fault.ts";
import type { Pool } from "../database/pool.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { findLetters } from "./dead-letter-rows.ts";
import { boundDetail } from "./dead-letters.ts";
import { type Replayed, replayDeadLetter } from "./replay-dead-letter.ts";

export type ReplayOptions = {
  readonly filter: DeadLetterFilter;
  /** Zero: all that are found. */
  readonly lettersMax: number;
  /** Nobody listens any more: what is in hand is finished, and no more is begun. */
  readonly signal: AbortSignal;
};

/** What became of each letter, once that is committed. */
export async function* replayDeadLetters(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
  { filter, lettersMax, signal }: ReplayOptions,
) {
  let replayedCount = 0;
  for await (const { deadLetterId, foundCount } of findLetters(pool, filter)) {
    if (signal.aborted) return;
    const replayed = await replayInTime(pool, consumers, deadLetterId);
    replayedCount += 1;
    yield { deadLetterId, foundCount, replayedCount, ...tell(replayed) };
    if (replayedCount === lettersMax) return;
  }
}

/** One that takes too long is at fault itself: those behind it would wait for it every time. */
async function replayInTime(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
  deadLetterId: bigint,
): Promise<Replayed> {
  try {
    return await replayDeadLetter(pool, consumers, deadLetterId);
  } catch (error) {
    if (!isTimeout(error)) throw error;
    return { kind: "dead", reason: DeadLetterReason.BUG, detail: "to handle it takes too long" };
  }
}

function tell(replayed: Replayed) {
  switch (replayed.kind) {
    case "handled":
      return { outcome: DeadLetterReplayOutcome.HANDLED };
    case "parked":
      return { outcome: DeadLetterReplayOutcome.PARKED, waitsFor: replayed.waitsFor };
    case "dead":
      return { outcome: DeadLetterReplayOutcome.GIVEN_UP, refusal: refusalOf(replayed) };
    case "replayed":
    case "absent":
      return { outcome: DeadLetterReplayOutcome.ALREADY_RESOLVED };
  }
}

/** Why it was given up once more. */
export function refusalOf(dead: { readonly reason: DeadLetterReason; readonly detail: string }) {
  return { reason: dead.reason, detail: boundDetail(dead.detail) };
}
