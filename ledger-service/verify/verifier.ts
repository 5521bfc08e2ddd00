// One verification at a time in this process, told of while it runs: it reads everything, so a
// second one beside it would only slow down both, and the postings.

import { Code } from "@connectrpc/connect";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { refuse, refuseRequest } from "#mesh/rpc/errors.ts";
import { createBell } from "../outgoing/bell.ts";
import { type Progress, type Verified, verifyBooks } from "./verify.ts";

export type Verifier = {
  /** Its progress, now and then, and at last what it found; undefined: there is no such ledger. */
  verify(ledgerId: string, signal: AbortSignal): AsyncGenerator<Progress | Verified | undefined>;
  /** Ends the one that runs, and takes no other. */
  end(): void;
};

const toldFacts = 10_000n;

export function createVerifier(pool: Pool): Verifier {
  let running: AbortController | undefined;
  let ended = false;

  async function* verify(ledgerId: string, signal: AbortSignal) {
    if (ended) throw stopping();
    if (running) throw refuse(Code.ResourceExhausted, "another ledger is being verified, wait");
    const over = new AbortController();
    running = over;
    const bell = createBell();
    const abort = () => over.abort(signal.reason);
    signal.addEventListener("abort", abort);
    let progress: Progress | undefined;
    const onProgress = (now: Progress) => {
      if (now.verifiedSequence < (progress?.verifiedSequence ?? 0n) + toldFacts) return;
      progress = now;
      bell.ring();
    };
    const options = { divergencesMax: 1, onProgress, signal: over.signal };
    let isDone = false;
    const verified = verifyBooks(pool, ledgerId, options).finally(() => {
      isDone = true;
      bell.ring();
    });
    verified.catch(() => {});
    try {
      let told: Progress | undefined;
      while (!isDone) {
        await bell.wait();
        // Who reads slowly is told the latest.
        if (isDone || progress === told) continue;
        told = progress;
        yield told;
      }
      yield await verified;
    } finally {
      over.abort(new Error("nobody waits for the verification any more"));
      signal.removeEventListener("abort", abort);
      await verified.catch(() => {});
      running = undefined;
    }
  }

  return {
    verify,
    end() {
      ended = true;
      running?.abort(stopping());
    },
  };
}

function stopping() {
  return refuseRequest(RequestRefusal.STOPPING, "the ledger service is stopping, ask another");
}
