// What becomes of messages that nobody has settled: decoded, handled, and where that is their lot
// written down as waiting or as given up. Who calls decides what a failure means.

import assert from "node:assert/strict";
import type { DescMessage } from "@bufbuild/protobuf";
import type { Tx } from "../database/pool.ts";
import type { ConsumerDefinition, Verdict } from "./consumer-definition.ts";
import { type Death, writeDeadLetters } from "./dead-letters.ts";
import { createDecoder, type Decoded } from "./event.ts";
import type { ContentOf } from "./inbox.ts";
import { park } from "./parking.ts";
import type { RawMessage } from "./raw-message.ts";

export type Settling<D extends DescMessage> = {
  readonly consumer: string;
  readonly decode: (raw: RawMessage) => Decoded<D>;
  readonly handle: ConsumerDefinition<readonly D[]>["handle"];
};

/** A message and what became of it. */
export type Settled = { readonly raw: RawMessage; readonly verdict: Verdict };

export function createSettling<S extends readonly DescMessage[]>(
  definition: Pick<ConsumerDefinition<S>, "consumer" | "events" | "handle">,
): Settling<S[number]> {
  const { consumer, events } = definition;
  return {
    consumer,
    decode: createDecoder<S[number]>(events),
    handle: (tx, batch) => definition.handle(tx, batch),
  };
}

/** Decodes, has the valid events handled, and writes down what waits and what is given up. */
export async function settle<D extends DescMessage>(
  tx: Tx,
  { consumer, decode, handle }: Settling<D>,
  batch: readonly RawMessage[],
): Promise<{ settled: readonly Settled[]; arrived: readonly string[] }> {
  const decoded = batch.map(decode);
  const events = decoded.flatMap((item) => (item.kind === "event" ? [item.event] : []));
  const handled = events.length > 0 ? await handle(tx, events) : { verdicts: [], arrived: [] };
  assert.equal(handled.verdicts.length, events.length, `${consumer} must judge every event once`);

  const ofEvents = handled.verdicts.values();
  const settled = batch.map((raw, index): Settled => {
    const item = decoded[index]!;
    return { raw, verdict: item.kind === "dead" ? item : ofEvents.next().value! };
  });
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
  return { settled, arrived: handled.arrived };
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
