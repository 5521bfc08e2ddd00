import { createHmac } from "node:crypto";
import "@shopify/shopify-api/adapters/node";
import { ApiVersion, shopifyApi } from "@shopify/shopify-api";
import { expect, test } from "vitest";
import { requestOf, verifyWith } from "../testing/requests.ts";
import { shopify } from "./shopify.ts";

const secret = "shpss_0123456789abcdef0123456789abcdef";
const body = '{"id":1,"admin_graphql_api_id":"gid://shopify/Order/1"}';
const mac = createHmac("sha256", secret).update(body).digest("base64");
const header = "x-shopify-hmac-sha256";
const check = (headers: Record<string, string>) => verifyWith(shopify, secret, body, headers);

test("what Shopify signs verifies, under the name of webhooks and of events", () => {
  expect(check({ [header]: mac })).toMatchObject({ verified: true, signedTime: undefined });
  expect(check({ "shopify-hmac-sha256": mac })).toMatchObject({ verified: true });
});

test("what is signed here the SDK accepts, and what it refuses is refused here", async () => {
  const { webhooks } = shopifyApi({
    apiKey: "key",
    apiSecretKey: secret,
    apiVersion: Object.values(ApiVersion)[0]!,
    hostName: "example.com",
    isEmbeddedApp: false,
    logger: { log: () => {} },
  });
  const accepts = async (rawBody: string, headers: Record<string, string>) => {
    const rawRequest = { headers: { ...told, ...headers }, method: "POST", url: "/" };
    return (await webhooks.validate({ rawBody, rawRequest } as never)).valid;
  };
  const told = {
    "x-shopify-topic": "orders/paid",
    "x-shopify-shop-domain": "demo.myshopify.com",
    "x-shopify-api-version": "2026-01",
    "x-shopify-webhook-id": "w",
  };
  const key = Buffer.from(secret);
  const ours = shopify.sign({ key, body: Buffer.from(body), now: new Date(), eventId: "e" })!;
  expect(await accepts(body, { ...ours.headers })).toBe(true);
  expect(await accepts(`${body} `, { ...ours.headers })).toBe(false);
  // The SDK reads topic and shop from beside the signature: another topic passes it all the same.
  expect(await accepts(body, { ...ours.headers, "x-shopify-topic": "refunds/create" })).toBe(true);
});

test.each<[string, Record<string, string>, string]>([
  ["no header", {}, "header-missing"],
  ["both headers", { [header]: mac, "shopify-hmac-sha256": mac }, "header-malformed"],
  ["no padding", { [header]: mac.slice(0, -1) }, "header-malformed"],
  ["two joined headers", { [header]: `${mac}, ${mac}` }, "header-malformed"],
  ["hexadecimal", { [header]: Buffer.from(mac, "base64").toString("hex") }, "header-malformed"],
  ["zeros", { [header]: Buffer.alloc(32).toString("base64") }, "signature-mismatch"],
])("refuses: %s", (_, headers, rejection) => {
  expect(check(headers)).toEqual({ verified: false, rejection });
});

test("topic and ids are unsigned: they identify nothing", () => {
  const headers = { "x-shopify-topic": "orders/paid", "x-shopify-webhook-id": "w" };
  expect(shopify.identify(requestOf(body, headers))).toEqual({
    eventId: "",
    eventType: "",
    unsignedEventId: "w",
    unsignedEventType: "orders/paid",
  });
});

test.each(["", "short", "with spaces 0123456789"])("an unfit secret is refused: %j", (unfit) => {
  expect(shopify.parseKey(unfit)).toHaveProperty("unusable");
});
