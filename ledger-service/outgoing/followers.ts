// Callers who follow a ledger: each is given its facts from the journal, in order and without gaps,
// as fast as it takes them, and new ones as soon as they are committed.

import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { refuse, refuseRequest } from "#mesh/rpc/errors.ts";
import type { JournalRow } from "../journal.ts";
import { listFacts } from "../store/facts.ts";
import { startHeadWatch } from "./head-watch.ts";

export type Followers = AsyncDisposable & {
  /** This process has committed something. */
  wake(): void;
  follow(ledger: Followed, signal: AbortSignal): AsyncGenerator<JournalRow>;
  /** Ends all of them, so that they ask another process, and takes no new ones. */
  end(): void;
};

export type Followed = {
  readonly id: bigint;
  readonly after: bigint;
  /** Where it ends; undefined: it goes on. */
  readonly until: bigint | undefined;
};

export type FollowersOptions = {
  readonly pool: Pool;
  readonly log: Log;
  readonly metrics: Metrics;
};

/** Each holds a page of facts, and asks the database when it was read. */
const followersMax = 100;
const factsMax = 100;

export function startFollowers({ pool, log, metrics }: FollowersOptions): Followers {
  const watch = startHeadWatch(pool, log);
  const open = new Set<AbortController>();
  let ended = false;
  metrics.gauge({
    name: "bursar_ledger_followers",
    help: "Callers that follow the facts of a ledger",
    collect: (gauge) => gauge.set(open.size),
  });

  async function* follow({ id, after, until }: Followed, signal: AbortSignal) {
    if (ended) throw stopping();
    if (open.size >= followersMax) throw tooMany();
    const over = new AbortController();
    const abort = () => over.abort(signal.reason);
    signal.addEventListener("abort", abort);
    open.add(over);
    try {
      let sequence = after;
      while (until === undefined || sequence < until) {
        over.signal.throwIfAborted();
        const rows = await listFacts(pool, id, { after: sequence, until, limit: factsMax });
        for (const row of rows) {
          assert.equal(row.sequence, sequence + 1n, "the journal has no gaps");
          yield row;
          sequence = row.sequence;
          over.signal.throwIfAborted();
        }
        const isAtHead = rows.length < factsMax && sequence !== until;
        if (isAtHead) await watch.waitBeyond(id, sequence, over.signal);
      }
    } finally {
      open.delete(over);
      signal.removeEventListener("abort", abort);
    }
  }

  function end(): void {
    ended = true;
    for (const over of open) over.abort(stopping());
  }

  return {
    wake: watch.wake,
    follow,
    end,
    async [Symbol.asyncDispose]() {
      end();
      await watch[Symbol.asyncDispose]();
    },
  };
}

function stopping() {
  const message = "the ledger service is stopping, go on with another process";
  return refuseRequest(RequestRefusal.STOPPING, message);
}

function tooMany() {
  const message = `${followersMax} callers follow ledgers here, more than that is refused`;
  return refuse(Code.ResourceExhausted, message);
}
