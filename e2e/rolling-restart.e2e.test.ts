// Processes of the ledger take over from each other, twenty times, while clients of the mesh and of
// another make post and read. No call fails, no money is lost or doubled, and every
// process ends well.

import { readFileSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse } from "#dev/house.ts";
import { AccountKind, Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import {
  LedgerService,
  PostTransactionRequestSchema,
  PostTransactionResponseSchema,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { serviceConfigOf } from "#mesh/rpc/client/service-config.ts";
import { openClient } from "#mesh/rpc/client.ts";
import { makeFolder } from "./folder.ts";
import { createReplica } from "./replica.ts";

const restarts = Number(process.env["RESTARTS"] ?? 20);
/** What a rollout calls minReadySeconds: until callers have found the one that came. */
const noticeMs = 300;
const folder = makeFolder("rolling-restart");
const stack = new AsyncDisposableStack();
const ledgerId = "rolling";
let house: House;

beforeAll(async () => {
  house = stack.use(await openHouse({ folder, logLevel: "info" }));
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test(`${restarts} rolling restarts under load fail no call and double nothing`, async () => {
  const ledgers = await Promise.all([0, 1, 2].map((place) => createReplica(house, place)));
  for (const ledger of ledgers) stack.use(ledger);
  await Promise.all([ledgers[0]!.start(), ledgers[1]!.start()]);
  const urls = ledgers.map(({ url }) => url);
  const tls = house.provision.tls.dev;
  const client = stack.use(openClient(LedgerService, { url: urls, tls }));
  await openBooks(client.rpc);
  const foreign = openForeignClient(ledgers.map(({ port }) => port));
  stack.defer(() => foreign.close());

  const failed: string[] = [];
  const answers = { posted: 0, read: 0, foreign: 0 };
  let over = false;
  let keys = 0;
  const sale = () => saleOf(`sale-${keys++}`);
  const callers: Readonly<Record<string, () => Promise<unknown>>> = {
    // Repeated by its key where that is needed.
    async repeatable() {
      await client.rpc.postTransaction(sale());
      answers.posted += 1;
    },
    // Never sent a second time, unless it was refused untouched.
    async "not repeatable"() {
      const { results } = await client.rpc.batchPostTransactions({ ledgerId, requests: [sale()] });
      expect(results).toMatchObject([{ result: { case: "posted", value: { replayed: false } } }]);
      answers.posted += 1;
    },
    async reading() {
      await client.rpc.getTrialBalance({ ledgerId });
      answers.read += 1;
    },
    async foreign() {
      await foreign.post(sale());
      answers.posted += 1;
      answers.foreign += 1;
    },
  };
  const calling = Object.entries(callers).flatMap(([name, call]) =>
    Array.from({ length: 2 }, async () => {
      while (!over) {
        await call().catch((error: unknown) => failed.push(`${name}: ${error}`));
        await sleep(4);
      }
    }),
  );

  // One goes while the next comes; two are there in between, for as long as callers need to notice.
  for (let restart = 0; restart < restarts; restart++) {
    const [leaving, , coming] = [0, 1, 2].map((place) => ledgers[(restart + place) % 3]!);
    const [how] = await Promise.all([leaving!.stop(), coming!.start()]);
    expect(how).toBe("ended with code 0");
    await sleep(noticeMs);
  }
  over = true;
  await Promise.all(calling);

  expect(failed).toEqual([]);
  expect(answers.read).toBeGreaterThan(restarts);
  expect(answers.foreign).toBeGreaterThan(restarts);
  const { balances } = await client.rpc.getTrialBalance({ ledgerId });
  const cash = balances.find(({ accountCode }) => accountCode === "assets:cash");
  expect(cash?.debitsMinor).toBe(BigInt(answers.posted));
  const ends = await Promise.all(ledgers.map((ledger) => ledger.stop()));
  expect(ends).toEqual(Array(3).fill("ended with code 0"));
}, 120_000);

type Ledger = ReturnType<typeof openClient<typeof LedgerService>>["rpc"];

async function openBooks(rpc: Ledger): Promise<void> {
  await rpc.createLedger({ ledgerId, displayName: "Rolling" });
  await rpc.registerAsset({ ledgerId, assetCode: "USD", scale: 2 });
  for (const [accountCode, kind] of [
    ["assets:cash", AccountKind.ASSET],
    ["income:sales", AccountKind.INCOME],
  ] as const) {
    await rpc.createAccount({ ledgerId, account: { accountCode, assetCode: "USD" }, kind });
  }
}

function saleOf(idempotencyKey: string) {
  const entry = (accountCode: string, side: Side) => ({
    account: { accountCode, assetCode: "USD" },
    side,
    amountMinor: 1n,
  });
  const entries = [entry("assets:cash", Side.DEBIT), entry("income:sales", Side.CREDIT)];
  return { ledgerId, idempotencyKey, entries };
}

/** gRPC by another library, with what our policies say to such. */
function openForeignClient(ports: readonly number[]) {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  const [ca, key, cert] = [caFile, keyFile, certFile].map((file) => readFileSync(file));
  const client = new grpc.Client(
    `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(",")}`,
    grpc.credentials.createSsl(ca, key, cert),
    {
      "grpc.service_config": JSON.stringify(serviceConfigOf(LedgerService)),
      "grpc.ssl_target_name_override": "localhost",
      "grpc.default_authority": "localhost",
      // Its second between two attempts is longer than a restart takes here.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 200,
    },
  );
  return {
    close: () => client.close(),
    post: (request: ReturnType<typeof saleOf>) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          "/bursar.ledger.v1.LedgerService/PostTransaction",
          (message: typeof request) => {
            const full = create(PostTransactionRequestSchema, message);
            return Buffer.from(toBinary(PostTransactionRequestSchema, full));
          },
          (bytes) => fromBinary(PostTransactionResponseSchema, bytes),
          request,
          (error, response) => (error ? reject(error) : resolve(response)),
        );
      }),
  };
}
