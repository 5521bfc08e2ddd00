// Clients that are not ours call every service: plain JSON over HTTPS, gRPC
// through grpc-js from the .proto files, and buf curl through server reflection.

import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import {
  type ChannelCredentials,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { load } from "@grpc/proto-loader";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type House, openHouse } from "#dev/house.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder("clients");
let house: House;

beforeAll(async () => {
  house = await openHouse({ folder, logLevel: "warn" });
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const ledgerMethod = (name: string) => `/bursar.ledger.v1.LedgerService/${name}`;

test("JSON over HTTPS opens books, posts and reads them", async () => {
  const ledgerId = "json";
  await postJson(ledgerMethod("CreateLedger"), { ledgerId, displayName: "JSON" });
  await postJson(ledgerMethod("RegisterAsset"), { ledgerId, assetCode: "USD", scale: 2 });
  for (const [accountCode, kind] of [
    ["assets:cash", "ACCOUNT_KIND_ASSET"],
    ["income:sales", "ACCOUNT_KIND_INCOME"],
  ] as const) {
    const account = { accountCode, assetCode: "USD" };
    await postJson(ledgerMethod("CreateAccount"), { ledgerId, account, kind });
  }
  const posting = (amountMinor: unknown) => ({
    ledgerId,
    idempotencyKey: "sale-1",
    entries: [
      {
        account: { accountCode: "assets:cash", assetCode: "USD" },
        side: "SIDE_DEBIT",
        amountMinor,
      },
      {
        account: { accountCode: "income:sales", assetCode: "USD" },
        side: "SIDE_CREDIT",
        amountMinor,
      },
    ],
  });
  const posted = await postJson(ledgerMethod("PostTransaction"), posting("4900"));
  expect(posted).toMatchObject({ status: 200, body: { transaction: { ledgerId } } });
  const again = await postJson(ledgerMethod("PostTransaction"), posting("4900"));
  expect(again).toMatchObject({ status: 200, body: { replayed: true } });
  const other = await postJson(ledgerMethod("PostTransaction"), posting("4901"));
  expect(other).toMatchObject({ status: 409, body: { code: "already_exists" } });

  const account = { accountCode: "assets:cash", assetCode: "USD" };
  const { body } = await postJson(ledgerMethod("GetBalance"), { ledgerId, account });
  expect(body).toMatchObject({ balance: { balanceMinor: "4900", debitsMinor: "4900" } });
});

test.each([
  ["1e2", "1e2"],
  ['"0x10"', "0x10"],
  ["100.5", "100.5"],
  ["9007199254740993", "9007199254740993"],
  ['"9223372036854775808"', "9223372036854775808"],
])("an amount written as %s is refused by name", async (token) => {
  const account = '{"accountCode": "a", "assetCode": "USD"}';
  const entry = `{"account": ${account}, "side": "SIDE_DEBIT", "amountMinor": ${token}}`;
  const text = `{"ledgerId": "json", "idempotencyKey": "x", "entries": [${entry}, ${entry}]}`;
  const { status, body } = await postText(ledgerMethod("PostTransaction"), text);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code: "invalid_argument" });
  expect(JSON.stringify(body)).toContain("entries[0].amount_minor");
});

test("a caller without a certificate is unauthenticated", async () => {
  const { status, body } = await postJson(ledgerMethod("ListLedgers"), {}, { anonymous: true });
  expect([status, body]).toMatchObject([401, { code: "unauthenticated" }]);
});

test("grpc-js, from the .proto files, calls every service", async () => {
  const methods = await load(
    [
      "bursar/ledger/v1/ledger_service.proto",
      "bursar/cms/v1/offer_service.proto",
      "bursar/webhook/v1/delivery_service.proto",
    ],
    { includeDirs: ["proto", "proto-foreign"], longs: String, enums: String, defaults: true },
  );
  const loaded = loadPackageDefinition(methods);
  const call = async (service: string, url: string, method: string, message: object) => {
    const Client = find(loaded, service);
    const client = new Client(new URL(url).host, grpcCredentials());
    try {
      return await promisify(client[method]!.bind(client) as GrpcMethod)(message);
    } finally {
      client.close();
    }
  };
  const { ledger, cms, gatewayAdmin } = house.urls;
  const ledgerService = "bursar.ledger.v1.LedgerService";
  const created = await call(ledgerService, ledger, "createLedger", { ledgerId: "grpc" });
  expect(created).toMatchObject({ ledger: { ledgerId: "grpc" } });
  await expect(
    call(ledgerService, ledger, "getLedger", { ledgerId: "nowhere" }),
  ).rejects.toMatchObject({ code: status.NOT_FOUND });
  expect(await call("bursar.cms.v1.OfferService", cms, "listOffers", {})).toMatchObject({
    offers: [],
  });
  const deliveries = await call(
    "bursar.webhook.v1.DeliveryService",
    gatewayAdmin,
    "listDeliveries",
    {},
  );
  expect(deliveries).toMatchObject({ deliveries: [] });
});

test("grpc-js posts a stream of transactions and gets every answer in order", async () => {
  const ledgerId = "grpc-stream";
  await postJson(ledgerMethod("CreateLedger"), { ledgerId });
  await postJson(ledgerMethod("RegisterAsset"), { ledgerId, assetCode: "USD", scale: 2 });
  const accounts = { "assets:cash": "ACCOUNT_KIND_ASSET", "income:sales": "ACCOUNT_KIND_INCOME" };
  for (const [accountCode, kind] of Object.entries(accounts)) {
    const account = { accountCode, assetCode: "USD" };
    await postJson(ledgerMethod("CreateAccount"), { ledgerId, account, kind });
  }
  const methods = await load("bursar/ledger/v1/ledger_service.proto", {
    includeDirs: ["proto", "proto-foreign"],
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  const Client = find(loadPackageDefinition(methods), "bursar.ledger.v1.LedgerService");
  const client = new Client(new URL(house.urls.ledger).host, grpcCredentials());
  try {
    const open = client["streamPostTransactions"]!.bind(client) as () => GrpcStream;
    const stream = open();
    const entry = (accountCode: string, side: string) => {
      return { account: { accountCode, assetCode: "USD" }, side, amountMinor: "1" };
    };
    const entries = [entry("assets:cash", "SIDE_DEBIT"), entry("income:sales", "SIDE_CREDIT")];
    for (let n = 0; n < 2_000; n++) {
      stream.write({ request: { ledgerId, idempotencyKey: `k${n}`, entries } });
    }
    stream.end();
    const steps = await stream.toArray();
    expect(steps).toHaveLength(2_001);
    const keys = steps.map(({ result }) => result?.posted?.transaction?.idempotencyKey);
    expect(keys.slice(0, -1)).toEqual(Array.from({ length: 2_000 }, (_, n) => `k${n}`));
    expect(steps.at(-1)).toMatchObject({ summary: { posted: "2000", refused: "0" } });
  } finally {
    client.close();
  }
});

test.each(["grpc", "connect", "grpcweb"])("buf curl speaks %s by reflection", async (protocol) => {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  const { code, stdout, stderr } = await run("buf", [
    "curl",
    ...["--cacert", caFile, "--cert", certFile, "--key", keyFile, "--protocol", protocol],
    ...["-d", "{}", `${house.urls.cms}/bursar.cms.v1.CourseService/ListCourses`],
  ]);
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout)).toEqual({});
});

type GrpcStream = Duplex & {
  toArray(): Promise<
    {
      readonly result?: { posted?: { transaction?: { idempotencyKey: string } } } | null;
      readonly summary?: object | null;
    }[]
  >;
};

type GrpcMethod = (
  message: object,
  done: (error: ServiceError | null, reply?: object) => void,
) => void;

function find(loaded: GrpcObject, name: string): ServiceClientConstructor {
  const found = name
    .split(".")
    .reduce<unknown>((inside, part) => (inside as GrpcObject)[part], loaded);
  return found as ServiceClientConstructor;
}

function grpcCredentials(): ChannelCredentials {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  return credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile));
}

function postJson(path: string, message: object, options?: { anonymous?: boolean }) {
  return postText(path, JSON.stringify(message), options);
}

function postText(path: string, text: string, options: { anonymous?: boolean } = {}) {
  const { caFile, certFile, keyFile } = house.provision.tls.dev;
  const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  return new Promise<{ status: number; body: unknown }>((resolve, reject) => {
    const sent = request(
      `${house.urls.ledger}${path}`,
      {
        method: "POST",
        agent: false,
        ca: readFileSync(caFile),
        ...(options.anonymous ? {} : identity),
        headers: { "content-type": "application/json" },
      },
      async (reply) => {
        const body = JSON.parse((await reply.toArray()).join("")) as unknown;
        resolve({ status: reply.statusCode ?? 0, body });
      },
    );
    sent.once("error", reject);
    sent.end(text);
  });
}

function run(command: string, args: readonly string[]) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(command, args, { timeout: 30_000 });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
