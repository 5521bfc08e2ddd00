// A run of the model beside the service: rounds of many callers at once, in between whatever befalls
// the processes; after each round the journal is walked, and every answer judged.

import { setTimeout as sleep } from "node:timers/promises";
import type { RefusalDetail } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { type Chance, createChance } from "../chance.ts";
import { checkAnswers, count, floatOf, type Tally } from "./answers.ts";
import type { Clients } from "./ask.ts";
import { createLedgerModel, type Ledger } from "./books.ts";
import { askNamed, askNext, askPost, askRead, type Desk } from "./callers.ts";
import { createRound, type Round } from "./calls.ts";
import { Disagreement, textOfValue } from "./disagreement.ts";
import { type Event, readFacts } from "./facts.ts";
import { createMemory, type Memory, see } from "./memory.ts";
import { firstRequests } from "./pools.ts";
import { readTrial } from "./reads-now.ts";
import { keyOf, walk } from "./walk.ts";

export type Books = { readonly ledger: Ledger; readonly memory: Memory };

export type Run = {
  readonly books: readonly Books[];
  readonly tally: Tally;
  operations: number;
  facts: number;
};

export function createRun(ledgerIds: readonly string[]): Run {
  return {
    books: ledgerIds.map((ledgerId) => {
      return { ledger: createLedgerModel(ledgerId), memory: createMemory(ledgerId) };
    }),
    tally: { refusals: new Map(), replayed: 0 },
    operations: 0,
    facts: 0,
  };
}

export type RoundOptions = {
  readonly clients: Clients;
  readonly chance: Chance;
  readonly operations: number;
  readonly callers: number;
  /** Nothing befalls the processes: what is asked once is done at once. */
  readonly calm: boolean;
  /** What happens beside the callers, until they are done. */
  readonly beside?: (over: AbortSignal, rounds: ReadonlyMap<string, Round>) => Promise<void>;
};

/** Makes the ledgers, and what every one of them starts with. */
export async function prepare(run: Run, options: RoundOptions): Promise<void> {
  const rounds = roundsOf(run);
  for (const { memory } of run.books) {
    if (isNowhere(memory)) continue;
    const desk = deskOf(options, memory, rounds, options.chance);
    for (const asked of firstRequests(memory.ledgerId)) await askNamed(desk, asked);
  }
  await settle(run, options, rounds);
}

/** A ledger that nobody makes. */
export const nowhere = "nowhere";

function isNowhere({ ledgerId }: Memory): boolean {
  return ledgerId === nowhere;
}

export async function playRound(run: Run, options: RoundOptions): Promise<void> {
  const rounds = roundsOf(run);
  const { chance, callers, beside } = options;
  const until = run.operations + options.operations;
  const there = run.books.map(({ memory }) => memory).filter((memory) => !isNowhere(memory));
  const absent = run.books.map(({ memory }) => memory).find(isNowhere);
  const over = new AbortController();
  const besides = beside?.(over.signal, rounds);
  const callings = Array.from({ length: callers }, async () => {
    const own = createChance(chance.below(2 ** 31));
    while (run.operations < until && !over.signal.aborted) {
      const memory = absent && own.below(400) === 0 ? absent : own.pick(there);
      const desk = deskOf(options, memory, rounds, own);
      const asked = await (memory === absent ? askPost(desk) : askNext(desk));
      run.operations += asked;
    }
  });
  try {
    await Promise.all(callings);
  } finally {
    over.abort();
    await Promise.allSettled([...callings, besides]);
  }
  await besides;
  await settle(run, options, rounds);
}

function roundsOf(run: Run): Map<string, Round> {
  return new Map(run.books.map(({ memory }) => [memory.ledgerId, createRound()]));
}

function deskOf(
  { clients }: RoundOptions,
  memory: Memory,
  rounds: ReadonlyMap<string, Round>,
  chance: Chance,
): Desk {
  return { clients, memory, round: rounds.get(memory.ledgerId)!, chance };
}

/** Nothing is under way: what was written and what was told must agree now. */
async function settle(
  run: Run,
  options: RoundOptions,
  rounds: ReadonlyMap<string, Round>,
): Promise<void> {
  for (const { ledger, memory } of run.books) {
    const round = rounds.get(ledger.ledgerId)!;
    const desk = deskOf(options, memory, rounds, options.chance);
    const facts = await readAll(options.clients, ledger, round);
    if (!isNowhere(memory)) {
      // What the balances are, and the facts that make them up: holds go on expiring.
      await askRead(desk, readTrial(ledger.ledgerId));
      const after = ledger.sequence + BigInt(facts.length);
      facts.push(...(await readFacts(options.clients, ledger.ledgerId, after)));
    }
    run.facts += facts.length;
    for (const calls of round.named.values()) round.floating.push(...calls.map(floatOf));
    for (const refusal of refusalsOf(round)) count(run.tally, refusal);
    walk(ledger, facts, round);
    checkAnswers(ledger, round, options.calm, run.tally);
    for (const { what, problemIn } of round.pinned) {
      const problem = problemIn(ledger);
      if (problem) throw new Disagreement(`${ledger.ledgerId} ${what}: ${problem}`);
    }
    see(memory, ledger.sequence);
    keepSuspended(ledger, memory);
  }
}

/** Those of requests without a key, and of reads. */
function refusalsOf({ named, refusals }: Round): RefusalDetail[] {
  const calls = [...named.values()].flat();
  const told = calls.flatMap(({ answer }) => (answer.kind === "refused" ? [answer.detail] : []));
  return [...told, ...refusals];
}

/** What stands in suspense is known from the model: callers may release it in the next round. */
function keepSuspended(ledger: Ledger, memory: Memory): void {
  memory.suspended.length = 0;
  for (const { sequence, suspended } of ledger.transactions.values()) {
    for (const { index, account } of suspended) {
      memory.suspended.push({ sequence, index, asset: account.asset });
    }
  }
}

/** What providers reported takes its time, but comes. */
async function readAll(clients: Clients, ledger: Ledger, round: Round): Promise<Event[]> {
  if (ledger.ledgerId === nowhere) return [];
  const deadline = performance.now() + 60_000;
  const facts: Event[] = [];
  for (;;) {
    const after = ledger.sequence + BigInt(facts.length);
    facts.push(...(await readFacts(clients, ledger.ledgerId, after)));
    const found = new Set(facts.map(keyOf));
    const missing = [...round.payments.keys()].filter((key) => !found.has(key));
    if (missing.length === 0) return facts;
    if (performance.now() > deadline) throw new Disagreement(`never recorded: ${missing}`);
    await sleep(100);
  }
}

/** What the ledger finds when it verifies itself. */
export async function expectSound({ audit }: Clients, ledgerId: string): Promise<void> {
  const steps = await Array.fromAsync(audit.verifyLedger({ ledgerId }));
  const last = steps.at(-1)?.step;
  if (last?.case === "result" && !last.value.divergence) return;
  throw new Disagreement(`${ledgerId} is not sound: ${textOfValue(last?.value)}`);
}
