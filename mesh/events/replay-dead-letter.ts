// A dead letter once more: in one SQL transaction the consumer's own handler handles it as if it had
// just arrived, what waits for it is released, and the letter is resolved. Given up again, it stays
// as it was.

import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Pool, Tx } from "../database/pool.ts";
import { inTransaction, isFault } from "../database/transaction.ts";
import type { ConsumerDefinition, Verdict } from "./consumer-definition.ts";
import { outboxConsumer } from "./dead-letters.ts";
import { recordArrivals, recordContents } from "./inbox.ts";
import { appendEncoded } from "./outbox.ts";
import type { RawMessage } from "./raw-message.ts";
import { release } from "./release.ts";
import { createContentOf, createSettling, endSpans, type Settled, settle } from "./settle.ts";

type Dead = Extract<Verdict, { kind: "dead" }>;

export type Replayed =
  | Verdict
  /** It was resolved before. */
  | { readonly kind: "replayed" }
  | { readonly kind: "absent" };

/** Undoes the SQL transaction of a replay that leads nowhere. */
class GivenUpAgain extends Error {
  override name = "GivenUpAgain";
  readonly verdict: Dead;

  constructor(verdict: Dead) {
    super(verdict.detail);
    this.verdict = verdict;
  }
}

export async function replayDeadLetter(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
  deadLetterId: bigint,
): Promise<Replayed> {
  const settled: Settled[] = [];
  try {
    return await inTransaction(pool, (tx) => {
      settled.length = 0;
      return replay(tx, consumers, deadLetterId, settled);
    });
  } catch (error) {
    if (error instanceof GivenUpAgain) return error.verdict;
    if (isFault(error)) throw error;
    return { kind: "dead", reason: DeadLetterReason.BUG, detail: String(error) };
  } finally {
    endSpans(settled);
  }
}

async function replay(
  tx: Tx,
  consumers: readonly ConsumerDefinition[],
  deadLetterId: bigint,
  settled: Settled[],
): Promise<Replayed> {
  const letter = await lockLetter(tx, deadLetterId);
  if (letter === undefined) return { kind: "absent" };
  if (letter.resolvedAt !== null) return { kind: "replayed" };
  const verdict = await handle(tx, consumers, letter, settled);
  if (verdict.kind === "dead") throw new GivenUpAgain(verdict);
  await tx`update dead_letter set resolved_at = now() where dead_letter_id = ${deadLetterId}`;
  return verdict;
}

async function handle(
  tx: Tx,
  consumers: readonly ConsumerDefinition[],
  letter: Letter,
  settled: Settled[],
): Promise<Verdict> {
  if (letter.consumer === outboxConsumer) {
    // What the broker refused may be published now; refused once more, it is back in sight.
    await appendEncoded(tx, [letter]);
    return { kind: "handled" };
  }
  const definition = consumers.find(({ consumer }) => consumer === letter.consumer);
  if (definition === undefined) {
    const detail = `this service has no consumer ${letter.consumer} any more`;
    return { kind: "dead", reason: DeadLetterReason.UNKNOWN_EVENT, detail };
  }
  return handleAgain(tx, definition, letter, settled);
}

type Letter = RawMessage & {
  readonly consumer: string;
  readonly reason: DeadLetterReason;
  readonly resolvedAt: Date | null;
};

async function lockLetter(tx: Tx, deadLetterId: bigint): Promise<Letter | undefined> {
  const [row] = await tx<Omit<Letter, "deliveryCount">[]>`
    select consumer, message_id as "messageId", subject, stream,
      stream_sequence as "streamSequence", data, headers, reason, resolved_at as "resolvedAt"
    from dead_letter
    where dead_letter_id = ${deadLetterId}
    for update
  `;
  return row && { ...row, deliveryCount: 1 };
}

/**
 * Where what came first under the id was given up and had no effect, this message may stand for it:
 * its sender mended it. The first is resolved with it, so that the two never both count. False when
 * the first had an effect.
 */
async function replaceDead(tx: Tx, { consumer, messageId }: Letter): Promise<boolean> {
  const replaced = await tx`
    update dead_letter set resolved_at = now()
    where consumer = ${consumer} and message_id = ${messageId}
      and reason <> ${DeadLetterReason.CONFLICT} and resolved_at is null
  `;
  return replaced.count > 0;
}

async function handleAgain(
  tx: Tx,
  definition: ConsumerDefinition,
  letter: Letter,
  settled: Settled[],
): Promise<Verdict> {
  const settling = createSettling(definition);
  const contentOf = createContentOf(settling, definition);
  const [arrival] = await recordArrivals(tx, definition.consumer, [letter], contentOf);
  // The other reasons have an id of their own in the inbox: it was written with the letter.
  if (letter.reason === DeadLetterReason.CONFLICT && arrival === "duplicate") {
    return { kind: "handled" };
  }
  const conflicts = letter.reason === DeadLetterReason.CONFLICT && arrival === "conflict";
  if (conflicts && !(await replaceDead(tx, letter))) {
    const detail = "a message with this id and other content was settled before";
    return { kind: "dead", reason: DeadLetterReason.CONFLICT, detail };
  }
  const own = await settle(tx, settling, [letter]);
  settled.push(...own.settled);
  settled.push(...(await release(tx, settling, own.arrived)));
  await recordContents(tx, definition.consumer, [letter], contentOf);
  return own.settled[0]!.verdict;
}
