// One step of the relay: publishes the oldest facts of one ledger, and moves its position past what
// the broker has acknowledged. A broker that holds fewer facts than it acknowledged has lost some:
// then the whole journal is published again, and consumers recognise what they have.

import type { Session } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { type Outcomes, publishAll } from "#mesh/events/publish-group.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import {
  type Backlog,
  countPublished,
  eventOf,
  forgetPositions,
  notePosition,
  readRows,
} from "./backlog.ts";

const publishDeadlineMs = 5_000;

export type Step = {
  readonly published: bigint;
  /** Highest sequence of the stream that is known. */
  readonly streamSequence: bigint;
  /** The stream began again; nothing that was published counts any more. */
  readonly lost: boolean;
};

/** Throws what kept a fact from being published, after the position of those before it is noted. */
export async function publishBacklog(
  session: Session,
  broker: Broker,
  backlog: Backlog,
  { streamSequence, factsMax }: { readonly streamSequence: bigint; readonly factsMax: number },
): Promise<Step> {
  const rows = await readRows(session, backlog, factsMax);
  const events = rows.map((row) => eventOf(backlog, row));
  const outcomes = await publishAll(broker, events, { deadlineMs: publishDeadlineMs });
  const stored = storedNow(outcomes);
  // A stream only counts upwards, so what is new has a higher number than all that was known.
  if (stored.some((sequence) => sequence <= streamSequence)) {
    await forgetPositions(session);
    return { published: 0n, streamSequence: 0n, lost: true };
  }
  const failedAt = outcomes.findIndex(({ status }) => status === "rejected");
  const published = rows[(failedAt === -1 ? rows.length : failedAt) - 1]?.sequence;
  if (published !== undefined) await notePosition(session, backlog.id, published);
  const failed = outcomes[failedAt];
  if (failed?.status === "rejected") {
    const next = (published ?? backlog.published) + 1n;
    throw new Error(`fact ${next} of ledger ${backlog.ledgerId} was not published`, {
      cause: failed.reason,
    });
  }
  const highest = stored.reduce((a, b) => (a > b ? a : b), streamSequence);
  return { published: published ?? backlog.published, streamSequence: highest, lost: false };
}

/**
 * Makes sure of the stream and returns its latest sequence. It counts every message it ever stored,
 * so it cannot count less than was published.
 */
export async function checkStream(
  session: Session,
  broker: Broker,
): Promise<Pick<Step, "streamSequence" | "lost">> {
  // Made by the first publish, the stream would let later ones overtake the first.
  await ensureStream(broker, "LEDGER");
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("LEDGER");
  const streamSequence = BigInt(state.last_seq);
  const lost = streamSequence < (await countPublished(session));
  if (lost) await forgetPositions(session);
  return { streamSequence, lost };
}

function storedNow(outcomes: Outcomes): bigint[] {
  return outcomes.flatMap((outcome) => {
    const isNew = outcome.status === "fulfilled" && !outcome.value.duplicate;
    return isNew ? [outcome.value.sequence] : [];
  });
}
