// Callers that ask at the same time, each on its own, and keep what they were told. Nobody stops
// before everything that was asked is answered.

import { Code, ConnectError } from "@connectrpc/connect";
import type { Chance } from "../chance.ts";
import {
  type Answer,
  accountRequest,
  answerOf,
  answerOfResult,
  type Clients,
  postRequest,
  sendKeyed,
  sendNamed,
  untilAnswered,
} from "./ask.ts";
import { nextBatch, nextStream } from "./batches.ts";
import { type Group, keepKeyed, keepNamed, type Round, type Window } from "./calls.ts";
import type { Read } from "./judge.ts";
import { nextRead } from "./lookups.ts";
import { learn, type Memory, remember } from "./memory.ts";
import type { CreateAccount, Keyed, Named, Post, Time } from "./operations.ts";
import { nextKeyed, nextNamed, nextPost } from "./requests.ts";

/** One ledger in one round. */
export type Desk = {
  readonly clients: Clients;
  readonly memory: Memory;
  readonly round: Round;
  readonly chance: Chance;
};

/** Nanoseconds, by the clock of this machine, which the database shares. */
export function now(): Time {
  return BigInt(Math.floor((performance.timeOrigin + performance.now()) * 1_000)) * 1_000n;
}

/** Asks something; answers how many operations it was. */
export async function askNext(desk: Desk): Promise<number> {
  const { chance, memory } = desk;
  const of = chance.below(100);
  if (of < 7) return askBatch(desk, nextBatch(chance, memory, now));
  if (of < 9) return askStream(desk, nextStream(chance, memory, now));
  if (of < 20) return askRead(desk, nextRead(chance, memory, now));
  if (of < 26) return askNamed(desk, nextNamed(chance, memory));
  if (of < 28) return askAccounts(desk);
  return askKeyed(desk, nextKeyed(chance, memory, now));
}

export function askPost(desk: Desk): Promise<number> {
  return askKeyed(desk, nextPost(desk.chance, desk.memory, now));
}

export async function askKeyed({ clients, memory, round }: Desk, asked: Keyed): Promise<number> {
  const { ledgerId } = memory;
  const { value: answer, ...window } = await timed(memory, () =>
    answerOf(sendKeyed(clients, ledgerId, asked)),
  );
  keepKeyed(round, { asked, answer, group: undefined, ...window });
  learn(memory, asked, answer);
  return 1;
}

export async function askNamed({ clients, memory, round }: Desk, asked: Named): Promise<number> {
  const { ledgerId } = memory;
  const { value: answer, ...window } = await timed(memory, () =>
    answerOf(sendNamed(clients, ledgerId, asked)),
  );
  keepNamed(round, { asked, answer, ...window });
  if (asked.kind === "create-account") learnOpened(memory, asked, answer);
  return 1;
}

/** Some accounts at once. */
async function askAccounts({ clients, memory, round, chance }: Desk): Promise<number> {
  const { ledgerId } = memory;
  const asked = Array.from({ length: 8 }, () => nextNamed(chance, memory)).filter(
    (one): one is CreateAccount => one.kind === "create-account",
  );
  if (asked.length === 0) return 0;
  const accounts = asked.map(accountRequest);
  const { value, ...window } = await timed(memory, () =>
    clients.ledger.batchCreateAccounts({ ledgerId, accounts }),
  );
  for (const [place, one] of asked.entries()) {
    const { result } = value.results[place] ?? {};
    if (!result?.case) throw new Error(`account ${place} of a batch has no result`);
    const answer: Answer =
      result.case === "refused"
        ? { kind: "refused", detail: result.value, code: undefined }
        : {
            kind: "done",
            thing: result.value.account,
            balances: [],
            replayed: result.value.replayed,
          };
    keepNamed(round, { asked: one, answer, ...window });
    learnOpened(memory, one, answer);
  }
  return asked.length;
}

function learnOpened(memory: Memory, { account }: CreateAccount, answer: Answer): void {
  if (answer.kind === "refused" || !account.code.startsWith("assets:brief:")) return;
  remember(memory.brief, account);
}

/** As a stream; what was not answered when it was cut is sent on another. */
async function askStream({ clients, memory, round }: Desk, posts: readonly Post[]) {
  const { ledgerId } = memory;
  const answers: Answer[] = [];
  async function* rest() {
    for (const post of posts.slice(answers.length)) {
      yield { request: postRequest(ledgerId, post) };
    }
  }
  const window = await timed(memory, async () => {
    for await (const { step } of clients.ledger.streamPostTransactions(rest())) {
      if (step.case === "result") answers.push(answerOfResult(step.value));
    }
    if (answers.length < posts.length) throw new ConnectError("cut off", Code.Unavailable);
  });
  for (const [place, asked] of posts.entries()) {
    const answer = answers[place]!;
    keepKeyed(round, { ...window, asked, answer, group: undefined });
    if (place % 10 === 0) learn(memory, asked, answer);
  }
  return posts.length;
}

async function askBatch({ clients, memory, round }: Desk, batch: readonly Post[]): Promise<number> {
  const { ledgerId } = memory;
  const requests = batch.map((asked) => postRequest(ledgerId, asked));
  const { value, ...window } = await timed(memory, () =>
    clients.ledger.batchPostTransactions({ ledgerId, requests }),
  );
  const groups = groupsOf(batch);
  for (const [place, asked] of batch.entries()) {
    const answer = answerOfResult(value.results[place]);
    keepKeyed(round, { asked, answer, group: groups.get(asked.group), ...window });
    if (place % 10 === 0 || asked.group !== "") learn(memory, asked, answer);
  }
  return batch.length;
}

function groupsOf(batch: readonly Post[]): ReadonlyMap<string, Group> {
  const placed = batch.map((asked, place) => ({ asked, place }));
  const grouped = placed.filter(({ asked }) => asked.group !== "");
  return Map.groupBy(grouped, ({ asked }) => asked.group);
}

export async function askRead({ clients, memory, round }: Desk, read: Read): Promise<number> {
  const { value, ...window } = await timed(memory, () => read.send(clients));
  const { what } = read;
  const { judge, refusal } = value;
  if (refusal) round.refusals.push(refusal);
  if (read.pinned) round.pinned.push({ what, problemIn: (ledger) => judge(ledger, window) });
  else round.floating.push({ what, problemAt: (ledger) => judge(ledger, window), ...window });
  return 1;
}

async function timed<T>(
  memory: Memory,
  call: () => Promise<T>,
): Promise<Window & { readonly value: T }> {
  const after = memory.seen;
  const begun = now();
  const { value } = await untilAnswered(call);
  return { value, after, begun, ended: now() };
}
