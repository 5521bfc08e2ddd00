// How a service says what it does with events: one function an event, called for each that arrives,
// or one function a stream, called for a whole batch.

import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Tx } from "../database/pool.ts";
import type { ConsumerDefinition, Verdict } from "../events/consumer-definition.ts";
import type { Emit } from "./emit.ts";
import { createProjection } from "./projection.ts";

/** Goes to the dead letters. An event that has to wait for another needs a `StreamHandler`. */
export type Dead = Extract<Verdict, { kind: "dead" }>;

/** Runs in one SQL transaction with what it emits. Saying nothing means: handled. */
export type Handle<D extends DescMessage> = (
  tx: Tx,
  message: MessageShape<D>,
  emit: Emit,
) => Promise<Dead | undefined>;

export type EventHandler<D extends DescMessage = DescMessage> = {
  readonly event: D;
  /** A method, so that handlers of different events fit into one list. */
  handle(...parameters: Parameters<Handle<D>>): ReturnType<Handle<D>>;
};

/** A consumer that takes the events of a stream in batches: for speed, or to let some wait. */
export type StreamHandler = ConsumerDefinition & { readonly batchMax: number };

/** May run more than once for the same event: its only effects are through `tx` and `emit`. */
export function on<D extends DescMessage>(event: D, handle: Handle<D>): EventHandler<D> {
  return { event, handle };
}

/** Keeps each of these events as a row; of one key that with the highest version. */
export function keep<D extends DescMessage>(
  event: D,
  table: string,
  version: string,
): EventHandler<D> {
  const rows = createProjection(event, { table, version });
  return on(event, async (tx, message) => {
    await rows.keep(tx, message);
    return undefined;
  });
}
