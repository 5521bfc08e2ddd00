// Three replicas of the service on one ledger, given the same requests at the same moments:
// whatever meets whatever, each key has one answer, no limit is broken, and the books are sound.

import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HoldCreatedSchema, TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import type { Answer } from "./answer.ts";
import { digestAccountUpdate, digestHold, type HoldRequest } from "./digest.ts";
import type { Poster } from "./poster.ts";
import type { AccountUpdate } from "./rules/account-rules.ts";
import type { KeyedCommand } from "./rules/commands.ts";
import type { HoldCommand } from "./rules/hold-rules.ts";
import { balancesAfter } from "./store/as-of.ts";
import {
  entry,
  ledgerId,
  opening,
  openLedgerDatabase,
  openPoster,
  posting,
  prepareLedger,
  reversal,
  submit,
} from "./testing/ledger.ts";
import { startHoldExpiry } from "./upkeep/hold-expiry.ts";
import { verifyLedger } from "./verify/verify.ts";

let database: TestDatabase;
let posters: readonly Poster[];

const codes = ["assets:cash", "liabilities:a", "liabilities:b", "assets:till"];
const requestsCount = 900;

beforeAll(async () => {
  database = await openLedgerDatabase();
  posters = [1, 2, 3].map(() => openPoster(database));
  await prepareLedger(posters[0]!);
  const limits = { floorMinor: 0n, ceilingMinor: 60n };
  await submit(
    posters[0]!,
    opening("liabilities:a", "liability", "USD", { limits }),
    opening("liabilities:b", "liability", "USD", { limits }),
    opening("assets:till", "asset", "USD", { limits: { floorMinor: -20n, ceilingMinor: 40n } }),
  );
});

afterAll(async () => {
  for (const poster of posters) await poster[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

test("replicas that race for the same keys, holds, reversals and limits agree", async () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed}`);
  const makers = fc.sample(request, { seed, numRuns: requestsCount });
  const options = { pool: database.pool, log: silentLog(), metrics: createMetrics("test") };
  await using _ = startHoldExpiry({ ...options, pauseMs: 20 });

  const named: Named = { holds: [], transactions: [] };
  const heard = new Map<string, { digest: string; answer: Answer }[]>();
  async function ask(poster: Poster, commands: readonly KeyedCommand[]): Promise<void> {
    const answers = await submit(poster, ...commands);
    for (const [place, { idempotencyKey, digest }] of commands.entries()) {
      const known = heard.get(idempotencyKey) ?? [];
      const answer = answers[place]!;
      heard.set(idempotencyKey, [...known, { digest, answer }]);
      if (answer.kind !== "written" || answer.replayed) continue;
      const { subject, sequence } = answer.row;
      if (subject === HoldCreatedSchema.typeName) named.holds.push(sequence);
      if (subject === TransactionPostedSchema.typeName) named.transactions.push(sequence);
    }
  }
  // Made by the first who comes to it: it names what stands in the books by then.
  const made = new Map<number, readonly KeyedCommand[]>();
  const requestAt = (place: number) => {
    const known = made.get(place) ?? makers[place]!(named);
    made.set(place, known);
    return known;
  };
  // Each poster walks the requests at its own pace, several at a time.
  await Promise.all(
    posters.map(async (poster, replica) => {
      for (let place = 0; place < requestsCount; ) {
        const width = Math.min(1 + ((place + replica * 7) % 11), requestsCount - place);
        const places = Array.from({ length: width }, (_, n) => place + n);
        await Promise.all(places.map((it) => ask(poster, requestAt(it))));
        place += width;
      }
    }),
  );

  let written = 0;
  for (const [key, answers] of heard) {
    const answered = answers.filter(({ answer }) => !isConflict(answer));
    const told = new Set(answered.map(({ digest, answer }) => `${digest} ${tellingOf(answer)}`));
    expect(told.size, `answers of ${key}`).toBe(1);
    const firsts = answered.filter(({ answer }) => answer.kind === "written" && !answer.replayed);
    expect(firsts.length, `${key} was written`).toBeLessThanOrEqual(1);
    written += firsts.length;
    for (const { answer } of firsts) await expectBalances(answer);
  }
  expect(written).toBeGreaterThan(100);
  expect(await verifyLedger(database.pool, ledgerId)).toEqual([]);
});

function isConflict(answer: Answer): boolean {
  return answer.kind === "refused" && answer.detail.refusal === Refusal.IDEMPOTENCY_CONFLICT;
}

/** All that every repetition must tell, too. */
function tellingOf(answer: Answer): string {
  if (answer.kind === "written") return Buffer.from(answer.row.data).toString("hex");
  if (answer.kind !== "refused") throw new Error(`${answer.kind} has no key`);
  const detail = toBinary(RefusalDetailSchema, create(RefusalDetailSchema, answer.detail));
  return `refused ${Buffer.from(detail).toString("hex")}`;
}

/** What the first reply told is what the books say of that sequence afterwards. */
async function expectBalances(answer: Answer): Promise<void> {
  if (answer.kind !== "written") return;
  const { balances, row } = answer;
  const asked = balances.map(({ accountCode, assetCode }) => {
    return { account: { accountCode, assetCode }, sequence: row.sequence };
  });
  const past = await balancesAfter(database.pool, ledgerId, asked);
  for (const [place, { debitsMinor, creditsMinor, version }] of balances.entries()) {
    expect(past[place]).toMatchObject({ debitsMinor, creditsMinor, version });
  }
}

type Named = { readonly holds: bigint[]; readonly transactions: bigint[] };
type Maker = (named: Named) => readonly KeyedCommand[];

const usd = (accountCode: string) => ({ accountCode, assetCode: "USD" });
/** Few, so that a key is often another request's, too. */
const key = fc.integer({ min: 1, max: 2_000 }).map((n) => `key-${n}`);
const amount = fc.bigInt(1n, 9n);
/** One of the latest few. */
const recent = fc.integer({ min: 1, max: 12 });
const latest = (sequences: readonly bigint[], place: number) => sequences.at(-place) ?? 999_999n;
const two = fc.uniqueArray(fc.constantFrom(...codes), { minLength: 2, maxLength: 2 });

const post = fc
  .tuple(key, two, amount)
  .map(([idempotencyKey, [from = "", to = ""], amountMinor]) => {
    return posting(idempotencyKey, [
      entry("debit", from, amountMinor),
      entry("credit", to, amountMinor),
    ]);
  });
const group = fc.array(post, { minLength: 2, maxLength: 4 }).map((posts) => {
  return posts.map(({ idempotencyKey, draft }) => {
    return posting(idempotencyKey, draft.entries, { linkGroup: "g" });
  });
});
const reverse = fc
  .tuple(key, recent, fc.option(amount, { nil: undefined }))
  .map(([idempotencyKey, place, some]): Maker => {
    const parts = [0, 1].map((entryIndex) => ({ entryIndex, amountMinor: some ?? 0n }));
    return ({ transactions }) => {
      const of = latest(transactions, place);
      return [reversal(idempotencyKey, of, some === undefined ? {} : { parts })];
    };
  });

function holding(idempotencyKey: string, asked: HoldRequest): KeyedCommand[] {
  return [{ ...asked, idempotencyKey, digest: digestHold(asked) } as HoldCommand & KeyedCommand];
}

const makeHold = fc
  .tuple(key, two, amount, fc.bigInt(0n, 3n), fc.option(fc.integer({ min: 1, max: 400 })))
  .map(([idempotencyKey, [from = "", to = ""], amountMinor, toleranceMinor, lifeMs]): Maker => {
    const after = { seconds: 0n, nanos: (lifeMs ?? 0) * 1_000_000 };
    const accounts = { debitAccount: usd(from), creditAccount: usd(to) };
    const expiration = lifeMs === null ? undefined : { after };
    const more = { amountMinor, toleranceMinor, expiration, description: "", metadata: [] };
    return () => holding(idempotencyKey, { kind: "create-hold", ...accounts, ...more });
  });
const kind = fc.constantFrom("capture-hold", "void-hold", "increase-hold");
const change = fc
  .tuple(key, recent, fc.bigInt(0n, 6n), kind, fc.boolean())
  .map(([idempotencyKey, place, amountMinor, asked, final]): Maker => {
    return ({ holds }) => {
      const on = { holdSequence: latest(holds, place), description: "" };
      const capture = { final, metadata: [], effectiveTime: undefined };
      switch (asked) {
        case "capture-hold":
          return holding(idempotencyKey, { kind: asked, ...on, amountMinor, ...capture });
        case "void-hold":
          return holding(idempotencyKey, { kind: asked, ...on, amountMinor });
        case "increase-hold":
          return holding(idempotencyKey, { kind: asked, ...on, amountMinor: amountMinor + 1n });
      }
    };
  });
const limit = fc
  .tuple(key, fc.constantFrom(...codes), fc.bigInt(-30n, 5n), fc.bigInt(10n, 60n))
  .map(([idempotencyKey, code, floorMinor, ceilingMinor]) => {
    const update: Omit<AccountUpdate, "idempotencyKey"> = {
      kind: "update-account",
      account: usd(code),
      change: { what: "limits", limits: { floorMinor, ceilingMinor } },
      expectedChangedSequence: 0n,
      description: "",
    };
    return [{ ...update, idempotencyKey, digest: digestAccountUpdate(update) }];
  });

const request: fc.Arbitrary<Maker> = fc.oneof(
  {
    weight: 6,
    arbitrary: post.map(
      (one): Maker =>
        () => [one],
    ),
  },
  {
    weight: 2,
    arbitrary: group.map(
      (all): Maker =>
        () =>
          all,
    ),
  },
  { weight: 3, arbitrary: reverse },
  { weight: 4, arbitrary: makeHold },
  { weight: 8, arbitrary: change },
  {
    weight: 1,
    arbitrary: limit.map(
      (all): Maker =>
        () =>
          all,
    ),
  },
);
