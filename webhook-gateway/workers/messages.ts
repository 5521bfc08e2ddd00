// What the primary and its workers say to each other, over a channel that nobody else can read and
// that ends with either of them.

import type { MetricsSnapshot } from "#mesh/process/metrics.ts";
import type { StatisticsDeltas } from "../statistics/collect.ts";

/** Text of the endpoints' file, and how often it has changed. Secrets are not in it. */
export type Configuration = { readonly generation: number; readonly text: string };

export type ToWorker =
  | {
      readonly kind: "start";
      /** From 1; a worker that is started again has the number of the one before. */
      readonly worker: number;
      readonly workers: number;
      readonly port: number;
      /**
       * One for all: a client may come back to another worker than the one it has a session with.
       */
      readonly ticketKeys: Uint8Array;
      readonly configuration: Configuration;
    }
  /** Parse it, say what came of it, and change nothing yet. */
  | { readonly kind: "prepare"; readonly configuration: Configuration }
  /** What was prepared is in force from now on. */
  | { readonly kind: "switch"; readonly generation: number }
  | { readonly kind: "metrics" }
  | {
      readonly kind: "statistics-written";
      readonly flushId: string;
      /** Empty: they are in the database. */
      readonly problem: string;
    }
  | { readonly kind: "stop" };

export type FromWorker =
  /** Loaded, and waiting to be told what to do. */
  | { readonly kind: "hello" }
  | { readonly kind: "open" }
  /** Often, so that silence means that it hangs. */
  | { readonly kind: "load"; readonly busy: boolean; readonly connected: boolean }
  | {
      readonly kind: "prepared";
      readonly generation: number;
      /** Empty: it can be put in force. */
      readonly problems: readonly string[];
    }
  | { readonly kind: "metrics"; readonly snapshot: MetricsSnapshot }
  /** What its door counted since it was last written; nothing more comes before the answer. */
  | {
      readonly kind: "statistics";
      readonly flushId: string;
      readonly deltas: StatisticsDeltas;
    };
