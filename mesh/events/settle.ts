// What becomes of messages that nobody has settled: decoded, handled, and where that is their lot
// written down as waiting or as given up. Who calls decides what a failure means.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Tx } from "../database/pool.ts";
import { startProcessSpan } from "../telemetry/messaging.ts";
import { currentSpan, currentTraceparent, inSpan, type Span } from "../telemetry/trace.ts";
import type { ConsumerDefinition, Verdict } from "./consumer-definition.ts";
import { type Death, reasonName, writeDeadLetters } from "./dead-letters.ts";
import { createDecoder, type Decoded, newerVersionOf } from "./decode.ts";
import type { Received } from "./event.ts";
import type { ContentOf } from "./inbox.ts";
import { park } from "./parking.ts";
import type { RawMessage } from "./raw-message.ts";
import { isSchemaKey, schemaKey } from "./schema-key.ts";
import { hasUnknownValues } from "./unknown-values.ts";

export type Settling<D extends DescMessage> = {
  readonly consumer: string;
  readonly events: readonly D[];
  readonly decode: (raw: RawMessage) => Decoded<D>;
  readonly handle: ConsumerDefinition<readonly D[]>["handle"];
  readonly prepare?: NonNullable<ConsumerDefinition<readonly D[]>["prepare"]>;
  readonly repeated?: NonNullable<ConsumerDefinition<readonly D[]>["repeated"]>;
};

/** A message and what became of it. */
export type Settled = {
  readonly raw: RawMessage;
  readonly verdict: Verdict;
  /** Of an event that was handled. Who commits ends it. */
  readonly span?: Span;
};

export function createSettling<S extends readonly DescMessage[]>(
  definition: Pick<
    ConsumerDefinition<S>,
    "consumer" | "events" | "handle" | "prepare" | "repeated"
  >,
): Settling<S[number]> {
  const { consumer, events } = definition;
  return {
    consumer,
    events,
    decode: createDecoder<S[number]>(events),
    handle: (tx, batch) => definition.handle(tx, batch),
    ...(definition.prepare && { prepare: (batch) => definition.prepare!(batch) }),
    ...(definition.repeated && { repeated: (tx, batch) => definition.repeated!(tx, batch) }),
  };
}

/** Those that can be read, in their order. */
export function readableOf<D extends DescMessage>(
  settling: Settling<D>,
  batch: readonly RawMessage[],
): Received<D>[] {
  return batch.flatMap((raw) => readable(settling, raw) ?? []);
}

/** Decodes, has the valid events handled, and writes down what waits and what is given up. */
export async function settle<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  batch: readonly RawMessage[],
): Promise<{ settled: readonly Settled[]; arrived: readonly string[] }> {
  const { consumer } = settling;
  const decoded = batch.map(settling.decode);
  const traced = decoded.flatMap((item) => {
    return item.kind === "event" ? [trace(consumer, item.event)] : [];
  });
  try {
    const events = traced.map(({ event }) => event);
    // What one event causes, and what is logged meanwhile, is its own; of many it is the batch's.
    const span = traced.length === 1 ? traced[0]?.span : currentSpan();
    const { verdicts, arrived } = await inSpan(span, () => judge(tx, settling, events));
    let n = 0;
    const settled = batch.map((raw, index): Settled => {
      const item = decoded[index]!;
      if (item.kind !== "event") return { raw, verdict: item };
      const { span } = traced[n]!;
      return { raw, verdict: verdicts[n++]!, span };
    });
    await writeDown(tx, consumer, settled);
    return { settled, arrived };
  } catch (error) {
    for (const { span } of traced) span.end(error);
    throw error;
  }
}

function trace<D extends DescMessage>(consumer: string, event: Received<D>) {
  const beside = currentTraceparent();
  const { subject, stream, messageId } = event;
  const span = startProcessSpan(
    { subject, stream, messageId, consumer },
    event.traceparent,
    beside === undefined ? [] : [beside],
  );
  return { span, event: span.recorded ? { ...event, traceparent: span.traceparent } : event };
}

/** After the COMMIT. */
export function endSpans(settled: readonly Settled[]): void {
  for (const { verdict, span } of settled) {
    span?.set({ "bursar.outcome": verdict.kind });
    span?.end(verdict.kind === "dead" ? { code: reasonName(verdict.reason) } : undefined);
  }
}

async function judge<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  events: readonly Received<D>[],
) {
  if (events.length === 0) return { verdicts: [], arrived: [] };
  const { verdicts, arrived } = await settling.handle(tx, events);
  const { consumer } = settling;
  assert.equal(verdicts.length, events.length, `${consumer} must judge every event once`);
  return { verdicts: verdicts.map((verdict, n) => defer(settling, verdict, events[n]!)), arrived };
}

/** What was refused over a value that only a newer schema has a name for waits for that schema. */
function defer<D extends DescMessage>(
  settling: Settling<D>,
  verdict: Verdict,
  event: Received<D>,
): Verdict {
  if (verdict.kind === "parked") {
    const reserved = isSchemaKey(verdict.waitsFor);
    assert(!reserved, `${verdict.waitsFor} is a key of the mesh's own: choose another first word`);
  }
  if (verdict.kind !== "dead") return verdict;
  const waitsFor = schemaNeededFor(settling, event);
  return waitsFor === undefined ? verdict : { kind: "parked", waitsFor };
}

/** The key of the newer schema that has a name for what the event holds, where there is one. */
function schemaNeededFor<D extends DescMessage>(
  { events }: Settling<D>,
  event: Received<D>,
): string | undefined {
  const schema = events.find(({ typeName }) => typeName === event.subject)!;
  const version = newerVersionOf(schema, event);
  if (version === undefined || !hasUnknownValues(schema, event.message)) return undefined;
  return schemaKey(event.subject, version);
}

/**
 * The verdict on a message that trips over our code or the database. One whose values only a newer
 * schema names waits for that: the code could not know.
 */
export async function giveUp<D extends DescMessage>(
  tx: Tx,
  settling: Settling<D>,
  raw: RawMessage,
  cause: unknown,
): Promise<Verdict> {
  const bug = { kind: "dead", reason: DeadLetterReason.BUG, detail: String(cause) } as const;
  const event = readable(settling, raw);
  const verdict = event ? defer(settling, bug, event) : bug;
  await writeDown(tx, settling.consumer, [{ raw, verdict }]);
  return verdict;
}

function readable<D extends DescMessage>(
  { decode }: Settling<D>,
  raw: RawMessage,
): Received<D> | undefined {
  try {
    const decoded = decode(raw);
    return decoded.kind === "event" ? decoded.event : undefined;
  } catch {
    // To read it is what went wrong.
    return undefined;
  }
}

async function writeDown(tx: Tx, consumer: string, settled: readonly Settled[]): Promise<void> {
  await park(
    tx,
    consumer,
    settled.flatMap(({ raw, verdict }) => {
      return verdict.kind === "parked" ? [{ raw, waitsFor: verdict.waitsFor }] : [];
    }),
  );
  const deaths = settled.flatMap(({ raw, verdict }): Death[] => {
    return verdict.kind === "dead" ? [{ raw, ...verdict }] : [];
  });
  await writeDeadLetters(tx, consumer, deaths);
}

/** What cannot be decoded, or trips over its own content, counts by its bytes. */
export function createContentOf<D extends DescMessage>(
  { decode }: Settling<D>,
  { contentOf }: Pick<ConsumerDefinition<readonly D[]>, "contentOf">,
): ContentOf {
  if (contentOf === undefined) return ({ data }) => data;
  return (raw) => {
    try {
      const decoded = decode(raw);
      return decoded.kind === "event" ? contentOf(decoded.event) : raw.data;
    } catch {
      return raw.data;
    }
  };
}
