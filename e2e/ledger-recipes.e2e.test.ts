// The recipes of docs/ledger.md against a ledger that runs: what they do is what the page says.

import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, openClients } from "#dev/clients.ts";
import { openHouse } from "#dev/house.ts";
import { deferredRevenue } from "../examples/ledger-recipes/deferred-revenue.ts";
import { dispute } from "../examples/ledger-recipes/dispute.ts";
import type { Books } from "../examples/ledger-recipes/entries.ts";
import { exchange } from "../examples/ledger-recipes/exchange.ts";
import { marketplaceSplit } from "../examples/ledger-recipes/marketplace-split.ts";
import { refund } from "../examples/ledger-recipes/refund.ts";
import { wallet } from "../examples/ledger-recipes/wallet.ts";
import { makeFolder } from "./folder.ts";

const root = new URL("..", import.meta.url).pathname;
const folder = makeFolder("ledger-recipes");
const stack = new AsyncDisposableStack();
let clients: Clients;

beforeAll(async () => {
  const house = stack.use(await openHouse({ folder, logLevel: "warn" }));
  clients = stack.use(openClients(house));
});
afterAll(() => stack[Symbol.asyncDispose]());

/** Every recipe has books of its own. */
async function booksOf(ledgerId: string): Promise<Books> {
  const { ledger, holds } = clients;
  await ledger.createLedger({ ledgerId, displayName: ledgerId });
  for (const assetCode of ["USD", "EUR"]) {
    await ledger.registerAsset({ ledgerId, assetCode, scale: 2 });
  }
  return { ledger, holds, ledgerId };
}

test("a wallet cannot spend what is held", async () => {
  const { held, second, spent } = await wallet(await booksOf("wallet"));
  expect(held).toMatchObject({ balanceMinor: 50_00n, availableMinor: 20_00n });
  expect(second).toBe("BELOW_FLOOR");
  expect(spent).toMatchObject({ balanceMinor: 20_00n, availableMinor: 20_00n });
});

test("teachers are paid together or not at all", async () => {
  const { tooMuch, paid, again, owed } = await marketplaceSplit(await booksOf("marketplace"));
  expect(tooMuch.results.map(({ result }) => result.case)).toEqual(["refused", "refused"]);
  expect(paid.results.map(({ result }) => result.case)).toEqual(["posted", "posted"]);
  expect(again).toBe("BELOW_FLOOR");
  expect(owed).toMatchObject([{ accounts: 2n, creditsMinor: 140_00n, balanceMinor: 0n }]);
});

test("a refund takes no more back than there was", async () => {
  const { half, tooMuch, balances } = await refund(await booksOf("refund"));
  expect(half).toMatchObject({ reversesEntries: [0, 1, 2] });
  expect(tooMuch).toBe("REVERSAL_EXCEEDED");
  expect(balances.map(({ balanceMinor }) => balanceMinor)).toEqual([0n, 0n, 0n]);
});

test("a dispute is money at risk until it is won or lost", async () => {
  const { atRisk, balances } = await dispute(await booksOf("dispute"));
  expect(atRisk?.balanceMinor).toBe(98_00n);
  const named = balances.map(({ accountCode, balanceMinor }) => [accountCode, balanceMinor]);
  expect(Object.fromEntries(named)).toEqual({
    "assets:stripe:clearing": 49_00n,
    "assets:stripe:disputed": 0n,
    "expenses:disputes": 49_00n,
    "income:sales": 98_00n,
  });
});

test("an exchange leaves its position on the rate account", async () => {
  const { position, bank } = await exchange(await booksOf("exchange"));
  const amounts = (of: typeof bank) => of.map((it) => [it.assetCode, it.balanceMinor]);
  expect(amounts(position)).toEqual([
    ["EUR", -100_00n],
    ["USD", 108_37n],
  ]);
  expect(amounts(bank)).toEqual([
    ["EUR", 0n],
    ["USD", 108_37n],
  ]);
});

test("revenue is earned by its effective time, and a closed quarter stays as it is", async () => {
  const { firstQuarter, period, late, year } = await deferredRevenue(await booksOf("deferred"));
  expect(firstQuarter?.balanceMinor).toBe(30_00n);
  expect(period?.endTime?.seconds).toBe(1_743_465_600n);
  expect(late).toBe("PERIOD_CLOSED");
  expect(year?.balanceMinor).toBe(120_00n);
});

const page = readFileSync(`${root}docs/ledger.md`, "utf8");
const blocks = [...page.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)];

test.each(blocks.map(([, path = "", text = ""]) => ({ path, text })))(
  "docs/ledger.md shows $path as it is",
  ({ path, text }) => expect(text).toBe(readFileSync(`${root}${path}`, "utf8")),
);

test("docs/ledger.md shows every recipe", () => {
  const files = globSync("examples/ledger-recipes/*.ts", { cwd: root });
  expect(blocks.map(([, path]) => path).sort()).toEqual(files.sort());
});
