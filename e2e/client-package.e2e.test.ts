// A team outside this repository: an empty folder, the packed contracts from their file, and a call
// to each service with nothing else of Bursar's.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { environmentOfHouse } from "#dev/environment.ts";
import { type House, openHouse } from "#dev/house.ts";
import { serviceIn } from "#dev/services.ts";
import { packClient } from "../contracts/package/pack.ts";
import { makeFolder } from "./folder.ts";

const root = resolve(import.meta.dirname, "..");
const folder = makeFolder("client-package");
const consumer = join(folder, "consumer");
let house: House;

beforeAll(async () => {
  const tarball = packClient(join(folder, "packed"));
  const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const connect = ["@connectrpc/connect", "@connectrpc/connect-node"];
  const named = connect.map((name) => `${name}@${dependencies[name]}`);
  execFileSync("mkdir", [consumer]);
  writeFileSync(join(consumer, "package.json"), '{"type": "module", "private": true}');
  npm("install", "--prefer-offline", "--loglevel=error", tarball, ...named);
  const extra = [serviceIn(join(root, "examples/receipt-service"))];
  house = await openHouse({ folder: join(folder, "house"), extra, logLevel: "warn" });
});
afterAll(async () => {
  await house?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const begin = `
import { readFileSync } from "node:fs";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { RequestRefusalDetailSchema } from "@bursar/client/mesh/v1";

const { env } = process;
const nodeOptions = { ca: readFileSync(env.BURSAR_CA), cert: readFileSync(env.BURSAR_CERT),
  key: readFileSync(env.BURSAR_KEY) };
const open = (service, baseUrl) =>
  createClient(service, createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }));
const tell = (told) => {
  const written = (_, value) => (typeof value === "bigint" ? \`\${value}n\` : value);
  console.log(JSON.stringify(told, written));
  process.exit(0);
};
`;

const callEach = `${begin}
const urls = { cms: env.BURSAR_CMS_URL, ledger: env.BURSAR_LEDGER_URL, mesh: env.BURSAR_LEDGER_URL,
  receipt: env.BURSAR_RECEIPT_URL, webhook: env.BURSAR_GATEWAY_ADMIN_URL };
// A read where there is one; 1 stands for NO_SIDE_EFFECTS.
const rank = (one) => (one.methodKind === "unary" ? 0 : 2) + (one.idempotency === 1 ? 0 : 1);
async function answerOf(client, { localName, methodKind }) {
  const options = { timeoutMs: 5_000 };
  if (methodKind === "unary") return client[localName]({}, options);
  if (methodKind === "client_streaming") return client[localName]((async function* () {})(), options);
  for await (const answer of client[localName]({}, options)) return answer;
}
const told = {};
for (const [name, baseUrl] of Object.entries(urls)) {
  const contracts = await import(\`@bursar/client/\${name}/v1\`);
  for (const service of Object.values(contracts).filter((one) => one.kind === "service")) {
    const method = service.methods.toSorted((a, b) => rank(a) - rank(b))[0];
    told[service.typeName] = await answerOf(open(service, baseUrl), method).then(
      (answer) => ({ answered: answer.$typeName === method.output.typeName }),
      (error) => ({
        code: Code[ConnectError.from(error).code],
        problems: ConnectError.from(error).findDetails(RequestRefusalDetailSchema)
          .flatMap((detail) => detail.problems).length,
      }),
    );
  }
}
tell(told);
`;

test("each service answers a caller who has the package alone", () => {
  const told = runScript(callEach) as Record<string, Outcome>;
  expect(Object.keys(told)).toEqual(
    expect.arrayContaining([
      "bursar.cms.v1.CourseService",
      "bursar.ledger.v1.LedgerService",
      "bursar.mesh.v1.DeadLetterService",
      "bursar.receipt.v1.ReceiptService",
      "bursar.webhook.v1.DeliveryService",
    ]),
  );
  // Whoever asks without a required field is told so by the method itself, field by field.
  const isAnswered = ({ answered, code, problems = 0 }: Outcome) =>
    answered === true || (code === "InvalidArgument" && problems > 0);
  const unanswered = Object.entries(told).filter(([, outcome]) => !isAnswered(outcome));
  expect(Object.fromEntries(unanswered)).toEqual({});
});

type Outcome = {
  readonly answered?: boolean;
  readonly code?: string;
  readonly problems?: number;
};

test("money is posted and read through it to the last digit", () => {
  const told = runScript(`${begin}
import { AccountKind, LedgerService, Side } from "@bursar/client/ledger/v1";
const ledger = open(LedgerService, env.BURSAR_LEDGER_URL);
const ledgerId = "packed";
await ledger.createLedger({ ledgerId, displayName: "Packed" });
await ledger.registerAsset({ ledgerId, assetCode: "USD", scale: 2 });
const cash = { accountCode: "assets:cash", assetCode: "USD" };
const sales = { accountCode: "income:sales", assetCode: "USD" };
await ledger.createAccount({ ledgerId, account: cash, kind: AccountKind.ASSET });
await ledger.createAccount({ ledgerId, account: sales, kind: AccountKind.INCOME });
const amountMinor = 9_007_199_254_740_993n;
await ledger.postTransaction({ ledgerId, idempotencyKey: "sale-1", entries: [
  { account: cash, side: Side.DEBIT, amountMinor },
  { account: sales, side: Side.CREDIT, amountMinor },
] });
const { balance } = await ledger.getBalance({ ledgerId, account: cash });
tell(balance.balanceMinor);
`);
  expect(told).toBe("9007199254740993n");
});

test("its declarations say what amounts are, and refuse what the contract does not have", () => {
  const compile = (text: string) => {
    writeFileSync(join(consumer, "check.ts"), text);
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2024"];
    const args = [...options, "--types", "", "--ignoreConfig", "check.ts"];
    try {
      execFileSync(join(root, "node_modules/.bin/tsc"), args, { cwd: consumer, encoding: "utf8" });
      return "";
    } catch (error) {
      return (error as { stdout: string }).stdout;
    }
  };
  const heading = `import type { Money } from "@bursar/client/money/v1";\n`;
  expect(compile(`${heading}export const minor = (m: Money): bigint => m.amountMinor;\n`)).toBe("");
  const wrong = compile(`${heading}export const minor = (m: Money): number => m.amountMinor;\n`);
  expect(wrong).toContain("Type 'bigint' is not assignable to type 'number'");
});

test("the same contract packs to the same bytes", () => {
  const digest = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  const [one, other] = ["one", "other"].map((name) => digest(packClient(join(folder, name))));
  expect(one).toBe(other);
});

/** What the script told, in JSON. */
function runScript(text: string): unknown {
  writeFileSync(join(consumer, "script.js"), text);
  const env = { ...environmentOfHouse(house), PATH: process.env["PATH"] ?? "" };
  const options = { cwd: consumer, encoding: "utf8", timeout: 60_000, env } as const;
  return JSON.parse(execFileSync(process.execPath, ["script.js"], options));
}

function npm(...args: string[]): void {
  execFileSync("npm", args, { cwd: consumer, timeout: 240_000 });
}
