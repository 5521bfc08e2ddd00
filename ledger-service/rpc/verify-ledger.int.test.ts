import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  AuditService,
  type VerifyLedgerResponse,
  type VerifyProgress,
  type VerifyResult,
} from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import {
  type AuditClient,
  errorOf,
  expectRefusal,
  schoolId as ledgerId,
  openSchool,
  type School,
  saleRequest,
} from "../testing/school.ts";

let school: School;
let audit: AuditClient;
const facts = 21_007n;

beforeAll(async () => {
  school = await openSchool();
  audit = school.audit;
  for (let at = 0; at < 21; at++) {
    const requests = Array.from({ length: 1_000 }, (_, n) => saleRequest(`${at} ${n}`, 1n));
    await school.client.batchPostTransactions({ ledgerId, requests });
  }
});
afterAll(() => school[Symbol.asyncDispose]());

type Request = { readonly ledgerId?: string };
type Options = { readonly signal?: AbortSignal; readonly timeoutMs?: number };

async function verify(request: Request = {}, options: Options = {}) {
  const stream = audit.verifyLedger({ ledgerId, ...request }, options);
  const steps = (await Array.fromAsync<VerifyLedgerResponse>(stream)).map(({ step }) => step);
  return {
    progress: steps.filter(({ case: kind }) => kind === "progress").map(({ value }) => value),
    result: steps.at(-1)?.value as VerifyResult,
  } as { progress: VerifyProgress[]; result: VerifyResult };
}

test("a verification tells how far it is, and then that the books are sound", async () => {
  const { ledger } = await school.client.getLedger({ ledgerId });
  const { progress, result } = await verify();
  expect(result).toMatchObject({ headSequence: facts, headHash: ledger?.headHash });
  expect(result.divergence).toBeUndefined();
  expect(progress.length).toBeGreaterThan(0);
  for (const { headSequence } of progress) expect(headSequence).toBe(facts);
  const verified = progress.map(({ verifiedSequence }) => verifiedSequence);
  expect(verified).toEqual([...new Set(verified)].sort((a, b) => Number(a - b)));
});

test("a verification names the first thing that is not as the journal says", async () => {
  const { superUrl: url } = school.database;
  const intruder = openPool({ url, schema: "ledger", connectionsMax: 1 });
  const write = (amountMinor: bigint) => {
    return intruder.begin(async (tx) => {
      await tx`set local session_replication_role = replica`;
      await tx`update entry set amount_minor = ${amountMinor}
        where sequence in (9000, 15000) and amount_minor > 0`;
    });
  };
  await write(2n);
  const { result } = await verify();
  expect(result.divergence).toMatchObject({
    projection: "entry",
    ledgerSequence: 9_000n,
    problem: expect.stringMatching(/^entry \d+ of assets:cash USD: amount_minor is 2 .* 1 by/),
  });
  await write(1n);
  await intruder.end();
});

test("one ledger is verified at a time, until it is done or left", async () => {
  const leaving = new AbortController();
  const first = errorOf(verify({}, { signal: leaving.signal }));
  const busy = () =>
    errorOf(verify().then(() => undefined)).then(
      ({ code }) => code,
      () => 0,
    );
  await expect.poll(busy).toBe(Code.ResourceExhausted);
  leaving.abort();
  expect((await first).code).toBe(Code.Canceled);
  const sound = () =>
    verify().then(
      ({ result }) => result.headSequence,
      () => 0n,
    );
  await expect.poll(sound, { timeout: 10_000 }).toBe(facts);
});

test("a verification ends with its deadline", async () => {
  const error = await errorOf(verify({}, { timeoutMs: 60 }));
  expect(error.code).toBe(Code.DeadlineExceeded);
  const sound = () =>
    verify().then(
      ({ result }) => result.headSequence,
      () => 0n,
    );
  await expect.poll(sound, { timeout: 10_000 }).toBe(facts);
});

test("a ledger that does not exist is not verified", async () => {
  const call = verify({ ledgerId: "nowhere" });
  await expectRefusal(call, Code.NotFound, { refusal: Refusal.LEDGER_NOT_FOUND });
  expect((await errorOf(verify({ ledgerId: "No Ledger" }))).code).toBe(Code.InvalidArgument);
});

test.each([
  ["narrow", RequestRefusal.LEDGER_DENIED],
  ["reader", RequestRefusal.SCOPE_MISSING],
] as const)("%s may not verify it", async (name, refusal) => {
  const client = await school.server.client(AuditService, name);
  const error = await errorOf(Array.fromAsync(client.verifyLedger({ ledgerId })));
  expect(requestRefusalOf(error)?.refusal).toBe(refusal);
});
