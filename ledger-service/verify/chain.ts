// Walks a journal from its first fact to its last, some facts at a time, and recomputes the hash of
// each batch on the way. Nothing is kept but the batch that is being hashed.

import type { Tx } from "#mesh/database/pool.ts";
import {
  type BatchHash,
  beginBatchHash,
  hashAlgorithm,
  hashFormatVersion,
  type JournalRow,
  noHash,
} from "../journal.ts";
import { timeOfMicros } from "../store/sql-arrays.ts";
import type { Findings } from "./findings.ts";

const factsMax = 500;
const batchesMax = 500;

export type Head = {
  readonly id: bigint;
  readonly ledgerId: string;
  readonly sequence: bigint;
  readonly hash: Uint8Array;
};

export type Chain = {
  readonly sequence: bigint;
  /** Recomputed. */
  readonly hash: Uint8Array;
  readonly firstMicros: bigint | null;
  readonly lastMicros: bigint | null;
};

/** Some facts; a batch that is still open ends in a later step. */
export type Step = { readonly rows: readonly JournalRow[]; readonly midBatch: boolean };

type Batch = {
  readonly first: bigint;
  readonly last: bigint;
  readonly micros: bigint;
  readonly algorithm: string;
  readonly formatVersion: number;
  readonly previousHash: Uint8Array;
  readonly hash: Uint8Array;
};

type OpenBatch = Batch & { readonly recomputed: BatchHash };

export async function* walkJournal(
  tx: Tx,
  head: Head,
  findings: Findings,
): AsyncGenerator<Step, Chain> {
  const batches = batchesOf(tx, head, findings);
  let sequence = 0n;
  let recomputed: Uint8Array = noHash;
  let current = await nextOf(batches);
  const firstMicros = current?.micros ?? null;
  let lastMicros = firstMicros;
  let isOrphan = false;

  function close(batch: OpenBatch, end: bigint): void {
    lastMicros = batch.micros;
    if (end !== batch.last) {
      const problem = `batch ${batch.first} ends at ${batch.last}, its facts at ${end}`;
      findings.add("chain", batch.first, problem);
    }
    const hash = batch.recomputed.digest();
    recomputed = hash;
    if (hash.equals(batch.hash)) return;
    const both = `${hex(batch.hash)} in its table, but ${hash.toString("hex")} by its facts`;
    findings.add("chain", batch.first, `hash of batch ${batch.first} is ${both}`);
  }

  for (;;) {
    const rows = await readFacts(tx, head.id, sequence);
    for (const row of rows) {
      if (row.sequence !== sequence + 1n) {
        findings.add("journal", sequence + 1n, `fact ${sequence + 1n} is missing`);
      }
      while (current !== undefined && row.sequence > current.last) {
        close(current, sequence);
        current = await nextOf(batches);
        isOrphan = false;
      }
      sequence = row.sequence;
      if (current !== undefined && sequence >= current.first) current.recomputed.add(row);
      else if (!isOrphan) {
        isOrphan = true;
        findings.add("chain", sequence, `fact ${sequence} is in no batch`);
      }
    }
    const midBatch = current !== undefined && sequence < current.last && rows.length === factsMax;
    yield { rows, midBatch };
    if (rows.length < factsMax) break;
  }
  for (; current !== undefined; current = await nextOf(batches)) close(current, sequence);
  compareHead(head, { sequence, hash: recomputed }, findings);
  return { sequence, hash: recomputed, firstMicros, lastMicros };
}

function compareHead(head: Head, chain: Pick<Chain, "sequence" | "hash">, findings: Findings) {
  if (chain.sequence !== head.sequence) {
    const problem = `head is ${head.sequence}, the journal ends at ${chain.sequence}`;
    findings.add("chain", chain.sequence, problem);
  }
  if (Buffer.compare(chain.hash, head.hash) === 0) return;
  const both = `${hex(head.hash)}, but ${hex(chain.hash)} by the journal`;
  findings.add("chain", chain.sequence, `the head's hash is ${both}`);
}

/** Each continues the one before it as it is stored, so that one wrong batch is one problem. */
async function* batchesOf(
  tx: Tx,
  { id, ledgerId }: Head,
  findings: Findings,
): AsyncGenerator<OpenBatch, undefined> {
  let after = 0n;
  let last = 0n;
  let hash: Uint8Array = noHash;
  for (;;) {
    const batches = await readBatches(tx, id, after);
    for (const batch of batches) {
      const { first, algorithm, formatVersion } = batch;
      if (first !== last + 1n) {
        findings.add("chain", last + 1n, `batch ${first} does not follow sequence ${last}`);
      }
      if (Buffer.compare(batch.previousHash, hash) !== 0) {
        const problem = `the previous hash of batch ${first} is not that of the batch before it`;
        findings.add("chain", first, problem);
      }
      if (algorithm !== hashAlgorithm || formatVersion !== hashFormatVersion) {
        findings.add("chain", first, `batch ${first} is in format ${algorithm}/${formatVersion}`);
      }
      const recordedTime = timeOfMicros(batch.micros);
      const recomputed = beginBatchHash({ ledgerId, recordedTime, previousHash: hash });
      yield { ...batch, recomputed };
      ({ last, hash } = batch);
      after = first;
    }
    if (batches.length < batchesMax) return undefined;
  }
}

async function nextOf(batches: AsyncGenerator<OpenBatch>): Promise<OpenBatch | undefined> {
  const { done, value } = await batches.next();
  return done ? undefined : value;
}

function readBatches(tx: Tx, id: bigint, after: bigint) {
  return tx<Batch[]>`
    select first_sequence as first, last_sequence as last, hash, previous_hash as "previousHash",
      algorithm, format_version as "formatVersion",
      (extract(epoch from recorded_time) * 1000000)::bigint as micros
    from batch where ledger_id = ${id} and first_sequence > ${after}
    order by first_sequence limit ${batchesMax}
  `;
}

function readFacts(tx: Tx, id: bigint, after: bigint) {
  return tx<JournalRow[]>`
    select sequence, subject, data from journal
    where ledger_id = ${id} and sequence > ${after}
    order by sequence limit ${factsMax}
  `;
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString("hex");
}
