import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { HoldExpiredSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { HoldService } from "#gen/bursar/ledger/v1/hold_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { publish } from "#mesh/events/publish.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { openTestBroker, silentLog } from "#mesh/testing/broker.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { startLedger } from "./app.ts";
import { readConfig } from "./config.ts";
import { shortly } from "./testing/holds.ts";
import { ledgerId, openLedgerDatabase } from "./testing/ledger.ts";
import { encode, refunded, succeeded } from "./testing/payments.ts";

test("an event becomes a balance, and a fact on the LEDGER stream", async () => {
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
  await using app = await startLedger(config, silentLog());
  const options = {
    url: `https://localhost:${app.port}`,
    tls: await certificates.identity("reader"),
  };
  await using ledger = openClient(LedgerService, options);
  await using consumers = openClient(ConsumerService, options);

  const orphan = refunded("pi_2", "re_2", 5n);
  for (const report of [succeeded("pi_1", 100n), orphan]) {
    await publish(broker.broker, encode(report), { deadlineMs: 10_000 });
  }
  await expect
    .poll(() => ledger.rpc.getTrialBalance({ ledgerId }).catch(() => undefined), {
      timeout: 10_000,
    })
    .toMatchObject({ totals: [{ assetCode: "USD", debitsMinor: 100n, creditsMinor: 100n }] });
  await expect
    .poll(() => consumers.rpc.listParked({}), { timeout: 10_000 })
    .toMatchObject({ parked: [{ waitsFor: "payment/stripe/acct_1/pi_2" }] });

  const { ledger: head } = await ledger.rpc.getLedger({ ledgerId });
  const manager = await broker.broker.jsm();
  await expect
    .poll(async () => (await manager.streams.info("LEDGER")).state.messages, { timeout: 10_000 })
    .toBe(Number(head?.headSequence));

  // Nobody touches the accounts again, and still it is written down and published.
  await using holds = openClient(HoldService, options);
  const { balances } = await ledger.rpc.getTrialBalance({ ledgerId });
  const [debitAccount, creditAccount] = balances.map(({ accountCode, assetCode }) => {
    return { accountCode, assetCode };
  });
  const accounts = { debitAccount: debitAccount!, creditAccount: creditAccount! };
  const amounts = { amountMinor: 1n, expiration: shortly };
  await holds.rpc.createHold({ ledgerId, idempotencyKey: "hold", ...accounts, ...amounts });
  const expired = { subjects_filter: HoldExpiredSchema.typeName };
  await expect
    .poll(async () => (await manager.streams.info("LEDGER", expired)).state.subjects, {
      timeout: 10_000,
    })
    .toEqual({ [HoldExpiredSchema.typeName]: 1 });
});

test("a configuration without anything names everything that is missing", () => {
  expect(() => readConfig({})).toThrow(/TLS_CA_FILE.*DATABASE_URL.*NATS_URL/);
});
