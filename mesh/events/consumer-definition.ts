// What a consumer is, apart from the process that runs it: what it reads and what it does with it.
// The stream, an RPC that releases what waits, and an operator who retries a dead letter all have
// the same definition handle the event.

import type { DescMessage } from "@bufbuild/protobuf";
import type { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import type { Tx } from "../database/pool.ts";
import type { Received } from "./event.ts";

/** What a handler decides about one event. */
export type Verdict =
  | { readonly kind: "handled" }
  /** Waits in the database for what the key names, for example `order/ord_1`. */
  | { readonly kind: "parked"; readonly waitsFor: string }
  | { readonly kind: "dead"; readonly reason: DeadLetterReason; readonly detail: string };

export type Handled = {
  /** One for each event of the batch, in its order. */
  readonly verdicts: readonly Verdict[];
  /** Keys of what now exists; whoever waits for them is handled in the same SQL transaction. */
  readonly arrived: readonly string[];
};

/** May run more than once for the same events: its only effects are through `tx`. */
export type HandleBatch<D extends DescMessage> = (
  tx: Tx,
  batch: readonly Received<D>[],
) => Promise<Handled>;

export type ConsumerDefinition<S extends readonly DescMessage[] = readonly DescMessage[]> = {
  /** Name of the durable consumer, `<service>-<STREAM>`. */
  readonly consumer: string;
  readonly stream: string;
  readonly events: S;
  /** A method, so that definitions of different events fit into one list. */
  handle(tx: Tx, batch: readonly Received<S[number]>[]): Promise<Handled>;
  /**
   * What an event says, without what may differ when the same is said again. A message with a known
   * id and other content is a conflict. Left out, every byte of the message counts.
   */
  contentOf?(event: Received<S[number]>): Uint8Array;
  /**
   * Fetches what `contentOf` and `handle` need from elsewhere, before the SQL transaction begins. A
   * retried dead letter and an event that waited come without it.
   */
  prepare?(batch: readonly Received<S[number]>[]): Promise<void>;
  /**
   * Events whose ids were settled before and that say the same again: not handled, only told, after
   * the others of their batch. The broker may deliver one of them more than once.
   */
  repeated?(tx: Tx, batch: readonly Received<S[number]>[]): Promise<void>;
};
