// The CMS asks the ledger itself what was paid: a payment whose event was lost is found and
// settled, through both services, their identities and their scopes.

import { readFileSync, rmSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clients, openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse } from "#dev/house.ts";
import { openSender, type Sender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder, type Shop } from "#dev/shop.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";
import { GrantDifferenceKind } from "#gen/bursar/cms/v1/grant_service_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder("reconcile");
const stack = new AsyncDisposableStack();
let house: House;
let clients: Clients;
let sender: Sender;
let shop: Shop;

beforeAll(async () => {
  house = stack.use(await openHouse({ folder }));
  clients = stack.use(openClients(house));
  sender = stack.use(openSender({ ca: readFileSync(house.provision.tls.dev.caFile, "utf8") }));
  shop = await openShop(clients, {
    slug: "reconciled",
    title: "Reconciled",
    prices: [{ amountMinor: 4_900n, currencyCode: "USD" }],
  });
});
afterAll(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

test("a payment that the CMS lost is found in the ledger, and opens its course again", async () => {
  const learnerId = "ada";
  await pay(await placeOrder(clients, shop, { learnerId, currencyCode: "USD" }));
  const { courseId } = shop;
  const isOpen = async () => {
    return (await clients.enrollments.checkAccess({ learnerId, courseId })).allowed;
  };
  expect(await eventually(async () => (await isOpen()) || undefined)).toBe(true);
  const ledgerId = "main";
  const sound = await clients.grants.reconcileGrants({ ledgerId });
  expect(sound).toMatchObject({ differences: [], comparedCount: 1, nextPosition: "" });

  await forgetPayments();
  expect(await isOpen()).toBe(false);
  const { differences } = await clients.grants.reconcileGrants({ ledgerId, repair: true });
  expect(differences).toMatchObject([{ kind: GrantDifferenceKind.MISSING, repaired: true }]);
  expect(await isOpen()).toBe(true);
  expect((await clients.grants.reconcileGrants({ ledgerId })).differences).toEqual([]);
});

/** As if no event had ever come: by the database's owner, whom no rule of the schema stops. */
async function forgetPayments(): Promise<void> {
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, schema: "cms" });
  await sql.unsafe(`
    set session_replication_role = replica;
    delete from enrollment_grant; delete from enrollment; delete from payment;
    update "order" set state = 'pending';
    set session_replication_role = default;
  `);
  await sql.end();
}

async function pay(orderId: string): Promise<void> {
  const event = paymentIntentSucceeded(
    newStripePayment({ amount: 4_900, currency: "usd", orderId }),
  );
  const signed = signAsStripe(event, house.provision.endpoints.stripe.secret);
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"] ?? "";
  expect((await sender.post(url, signed)).status).toBe(200);
}
