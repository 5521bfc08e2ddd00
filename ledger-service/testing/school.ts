// A ledger behind the mesh's own server, TLS and identity included: books of a school in USD and EUR,
// each with `assets:cash` and `income:sales`.

import { type Client, type Code, ConnectError } from "@connectrpc/connect";
import { expect } from "vitest";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import type { TestDatabase } from "#mesh/testing/database.ts";
import { startTestServer, type TestServer } from "#mesh/testing/rpc.ts";
import { type Followers, startFollowers } from "../outgoing/followers.ts";
import { startPoster } from "../poster.ts";
import { auditService } from "../rpc/audit.ts";
import { holdService } from "../rpc/holds.ts";
import { ledgerService } from "../rpc/service.ts";
import { createVerifier } from "../verify/verifier.ts";
import { verifyLedger } from "../verify/verify.ts";
import { openLedgerDatabase } from "./ledger.ts";

export type LedgerClient = Client<typeof LedgerService>;
export type HoldClient = Client<typeof HoldService>;
export type AuditClient = Client<typeof AuditService>;

export type School = AsyncDisposable & {
  readonly database: TestDatabase;
  readonly server: TestServer;
  readonly client: LedgerClient;
  readonly holds: HoldClient;
  readonly audit: AuditClient;
  /** Also hears of what this process commits. */
  readonly followers: Followers;
};

export const schoolId = "school";

/** Disposing it verifies its books. */
export async function openSchool(): Promise<School> {
  const database = await openLedgerDatabase();
  const { pool } = database;
  const metrics = createMetrics("test");
  const followers = startFollowers({ pool, log: silentLog(), metrics });
  const poster = startPoster({ pool, metrics, afterCommit: followers.wake });
  const verifier = createVerifier(pool);
  const server = await startTestServer({
    service: "ledger-service",
    routes: (router) => {
      router.service(LedgerService, ledgerService(database.pool, poster));
      router.service(HoldService, holdService(database.pool, poster));
      router.service(AuditService, auditService({ pool, followers, verifier }));
    },
    grants: {
      "test-client": { scopes: ["*.*.*"], ledgerIds: ["*"] },
      narrow: { scopes: ["ledger.*.*"], ledgerIds: ["other", "another"] },
      reader: { scopes: ["ledger.balances.read"], ledgerIds: ["*"] },
    },
  });
  const client = await server.client(LedgerService);
  const holds = await server.client(HoldService);
  const audit = await server.client(AuditService);
  await client.createLedger({ ledgerId: schoolId, displayName: "School" });
  for (const assetCode of ["USD", "EUR"]) {
    await client.registerAsset({ ledgerId: schoolId, assetCode, scale: 2 });
  }
  for (const assetCode of ["USD", "EUR"]) {
    await openAccount(client, "assets:cash", AccountKind.ASSET, { assetCode });
    await openAccount(client, "income:sales", AccountKind.INCOME, { assetCode });
  }
  return {
    database,
    server,
    client,
    holds,
    audit,
    followers,
    async [Symbol.asyncDispose]() {
      followers.end();
      await server[Symbol.asyncDispose]();
      await poster[Symbol.asyncDispose]();
      await followers[Symbol.asyncDispose]();
      const problems = await verifyLedger(database.pool, schoolId);
      await database[Symbol.asyncDispose]();
      expect(problems).toEqual([]);
    },
  };
}

type EntryFields = {
  account: { accountCode: string; assetCode: string };
  side: Side;
  amountMinor: bigint;
};

/** Cash for sales. */
export function saleRequest(
  idempotencyKey: string,
  amountMinor: bigint,
  { debit = "assets:cash", credit = "income:sales", assetCode = "USD" } = {},
) {
  const entries: EntryFields[] = [
    { account: { accountCode: debit, assetCode }, side: Side.DEBIT, amountMinor },
    { account: { accountCode: credit, assetCode }, side: Side.CREDIT, amountMinor },
  ];
  return { ledgerId: schoolId, idempotencyKey, entries };
}

export async function openAccount(
  client: LedgerClient,
  accountCode: string,
  kind: AccountKind,
  { assetCode = "USD", ledgerId = schoolId } = {},
): Promise<void> {
  await client.createAccount({ ledgerId, account: { accountCode, assetCode }, kind });
}

export async function balanceOf(client: LedgerClient, accountCode: string): Promise<bigint> {
  const account = { accountCode, assetCode: "USD" };
  const { balance } = await client.getBalance({ ledgerId: schoolId, account });
  return balance?.balanceMinor ?? 0n;
}

export async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(() => undefined, ConnectError.from);
  expect(error, "it was accepted").toBeDefined();
  return error!;
}

export async function expectRefusal(
  call: Promise<unknown>,
  code: Code,
  detail: Record<string, unknown>,
): Promise<void> {
  const error = await errorOf(call);
  expect([error.code, error.message]).toEqual([code, expect.any(String)]);
  expect(error.findDetails(RefusalDetailSchema)[0]).toMatchObject(detail);
}
