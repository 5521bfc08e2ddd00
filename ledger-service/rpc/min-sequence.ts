// Read your own writes: a read that names a sequence is answered by books that have come to it. They
// have as a rule, and then this costs nothing; otherwise it waits a moment.

import { setTimeout as sleep } from "node:timers/promises";
import type { HandlerContext } from "@connectrpc/connect";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { type LedgerRow, readLedger } from "../store/read.ts";
import { notFound, refusedRead } from "./refusal-error.ts";

const waitMsMax = 1_000;
const pollMs = 10;
/** Left of the caller's deadline for the answer. */
const answerMs = 50;

/** The ledger, if the caller may touch it and it has come to the sequence. */
export async function findLedger(
  pool: Pool,
  context: HandlerContext,
  ledgerId: string,
  minLedgerSequence = 0n,
): Promise<LedgerRow> {
  requireLedger(context, ledgerId);
  const startMs = performance.now();
  const waitMs = Math.min(waitMsMax, (context.timeoutMs() ?? waitMsMax) - answerMs);
  for (;;) {
    const ledger = await readLedger(pool, ledgerId);
    if (!ledger) throw notFound({ refusal: Refusal.LEDGER_NOT_FOUND });
    if (ledger.headSequence >= minLedgerSequence) return ledger;
    if (performance.now() - startMs + pollMs > waitMs) throw notReached(minLedgerSequence);
    await sleep(pollMs);
    context.signal.throwIfAborted();
  }
}

/** Books that were asked for as of a sequence must have come to it; they are not waited for. */
export function requireReached({ headSequence }: LedgerRow, sequence: bigint | undefined): void {
  if (sequence !== undefined && sequence > headSequence) throw notReached(sequence);
}

function notReached(ledgerSequence: bigint) {
  return refusedRead({ refusal: Refusal.SEQUENCE_NOT_REACHED, ledgerSequence });
}
