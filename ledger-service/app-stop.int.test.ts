import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { AuditService } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { requestRefusalOf } from "#mesh/rpc/errors.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { startLedger } from "./app.ts";
import { readConfig } from "./config.ts";
import { ledgerId, openLedgerDatabase } from "./testing/ledger.ts";

test("a service that stops sends followers and who rests to another, and waits for none", async () => {
  await using database = await openLedgerDatabase();
  await using broker = await openTestBroker();
  await using certificates = await testCertificates();
  const tls = await certificates.identity("ledger-service");
  const accessFile = join(certificates.dir, "access.json");
  const grant = { identity: "spiffe://bursar/reader", scopes: ["*.*.*"], ledgerIds: ["*"] };
  writeFileSync(accessFile, JSON.stringify({ grants: [grant] }));
  const config = readConfig({
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    NATS_URL: broker.url,
    TLS_CA_FILE: tls.caFile,
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    ACCESS_FILE: accessFile,
  });
  const app = await startLedger(config, silentLog());
  const options = {
    url: `https://localhost:${app.port}`,
    tls: await certificates.identity("reader"),
  };
  await using ledger = openClient(LedgerService, options);
  await using audit = openClient(AuditService, options);
  await ledger.rpc.createLedger({ ledgerId, displayName: "Main" });

  const stream = audit.rpc.streamEvents({ ledgerId })[Symbol.asyncIterator]();
  expect((await stream.next()).value).toMatchObject({
    ledgerSequence: 1n,
    event: { case: "ledgerCreated", value: { displayName: "Main" } },
  });
  // It hears of what this process commits.
  const next = stream.next();
  await ledger.rpc.registerAsset({ ledgerId, assetCode: "USD", scale: 2 });
  expect((await next).value).toMatchObject({ event: { case: "assetRegistered" } });

  // It has its answer, and does not send more.
  const posting = ledger.rpc.streamPostTransactions(onePosting())[Symbol.asyncIterator]();
  expect((await posting.next()).value).toMatchObject({ step: { case: "result" } });
  expect((await stream.next()).value).toMatchObject({ event: { case: "transactionRefused" } });

  const ended = [stream, posting].map((of) => of.next().then(() => undefined, ConnectError.from));
  await app[Symbol.asyncDispose]();
  for (const error of await Promise.all(ended)) {
    expect(error?.code).toBe(Code.Unavailable);
    // The server itself would have given a reason of its own, after it had waited.
    expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.STOPPING);
  }
});

async function* onePosting() {
  const account = { accountCode: "assets:cash", assetCode: "USD" };
  const entries = [Side.DEBIT, Side.CREDIT].map((side) => ({ account, side, amountMinor: 1n }));
  yield { request: { ledgerId, idempotencyKey: "one", entries } };
  await new Promise(() => {});
}
