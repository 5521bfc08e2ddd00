// Every registered provider through the door: its own answers, parts, challenges and certificates,
// and what the door refuses whatever the provider.

import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Attestation } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { AddressMode } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import type { Found } from "./certificates/certificates.ts";
import { parseAddressPolicy } from "./door/addresses.ts";
import { createLoad } from "./door/load.ts";
import type { Endpoint } from "./endpoints.ts";
import type { Refusal } from "./receive.ts";
import { openTestDoor, type Reply, type TestDoor, type TestDoorOptions } from "./testing/door.ts";
import { createKeepingStore, proxies, sample, samples, snapshotOf } from "./testing/snapshots.ts";

const open = async (options: TestDoorOptions = {}) => {
  const { store, stored } = createKeepingStore();
  const endpoints = snapshotOf();
  const door = await openTestDoor(store, { endpoints: () => endpoints, plain: true, ...options });
  return { door, stored, [Symbol.asyncDispose]: () => door[Symbol.asyncDispose]() };
};

const typeOf = (endpoint: Endpoint) =>
  endpoint.provider.contentType === "form"
    ? "application/x-www-form-urlencoded"
    : "application/json";

function sendSample(
  door: TestDoor,
  name: string,
  over: { headers?: Record<string, string | string[]>; body?: Buffer; type?: string } = {},
): Promise<Reply> {
  const { endpoint, sign } = sample(name);
  const signed = sign(new Date()) ?? { headers: {}, body: Buffer.from("id=tr_1234") };
  const query = "query" in signed && signed.query ? `?${signed.query}` : "";
  return door.send({
    path: `/v1/in/${endpoint.endpointId}${query}`,
    body: over.body ?? Buffer.from(signed.body),
    headers: { ...signed.headers, ...over.headers },
    type: over.type ?? typeOf(endpoint),
  });
}

/** What the provider's own address would hold. */
function found(): Found {
  const certificate = sample("paypal-0").sign(new Date())?.certificate;
  return certificate ? { certificate } : { problem: "unreachable", detail: "no sample" };
}

test.each([...samples.keys()])("%s gets its own acknowledgement, to the byte", async (name) => {
  const certificates = { get: async () => found() };
  await using it = await open({ receiver: { certificates } });
  const { ack, endpointId, provider } = sample(name).endpoint;
  const reply = await sendSample(it.door, name);
  expect(reply).toMatchObject({ status: ack.status, body: ack.body });
  if (ack.body) expect(reply.headers["content-type"]).toBe(ack.contentType);
  const [{ webhooks } = { webhooks: [] }] = it.stored;
  expect(webhooks[0]).toMatchObject({ endpointId, provider: provider.name, partIndex: 0 });
  const fields = webhooks[0]!.verification!.attestations.map(({ field }) => field);
  expect(fields).toEqual(fields.toSorted());
  expect(fields).toContain("body");
});

test("an endpoint's own acknowledgement counts, and 204 has no body", async () => {
  const acks = [
    { status: 202, body: "ok", contentType: "text/plain" },
    { status: 204, body: "", contentType: "text/plain" },
  ];
  for (const ack of acks) {
    const snapshot = snapshotOf(() => ({ ack }));
    await using it = await open({ endpoints: () => snapshot });
    const reply = await sendSample(it.door, "stripe-0");
    expect(reply).toMatchObject({ status: ack.status, body: ack.body });
    expect(reply.headers["content-type"]).toBe(ack.body ? "text/plain" : undefined);
    expect(reply.headers["content-length"]).toBe(ack.body ? "2" : undefined);
  }
});

test("a request of several items is several webhooks, stored together; a bad item refuses all", async () => {
  await using it = await open();
  const { sign } = sample("adyen-0");
  const one = Buffer.from(sign(new Date())!.body).toString();
  const item = /\[(.*)\]/s.exec(one)![1]!;
  const of = (...items: string[]) => Buffer.from(one.replace(item, () => items.join(",")));
  expect((await sendSample(it.door, "adyen-0", { body: of(item, item, item) })).status).toBe(200);
  expect(it.stored).toHaveLength(1);
  const [{ webhooks } = { webhooks: [] }] = it.stored;
  expect(webhooks.map(({ partIndex }) => partIndex)).toEqual([0, 1, 2]);
  for (const { body } of webhooks) expect(item).toContain(Buffer.from(body).toString());
  expect(webhooks[0]!.verification!.attestations).toContainEqual(
    expect.objectContaining({ field: "body.amount.value", attestation: Attestation.SIGNED }),
  );
  const bad = item.replace(/"hmacSignature" ?: ?"./, (text) => `${text.slice(0, -1)}_`);
  expect(bad).not.toBe(item);
  expect((await sendSample(it.door, "adyen-0", { body: of(item, bad) })).status).toBe(401);
  expect(it.stored).toHaveLength(1);
});

test("GET answers a provider's challenge, and is 405 for those that have none", async () => {
  await using it = await open();
  const get = (name: string, query: string) =>
    it.door.send({ method: "GET", path: `/v1/in/sample-${name}${query}`, headers: {} });
  const asked = await get("braintree-0", "?bt_challenge=0123456789abcdef0123");
  expect(asked).toMatchObject({
    status: 200,
    body: expect.stringMatching(/^publickey1\|[0-9a-f]+$/),
  });
  expect((await get("braintree-0", "?bt_challenge=not-one")).status).toBe(401);
  expect((await get("braintree-0", "")).status).toBe(401);
  expect(await get("stripe-0", "")).toMatchObject({ status: 405, headers: { allow: "POST" } });
  expect(it.stored).toEqual([]);
});

test("a challenge that is posted must be authentic, is answered, and not stored", async () => {
  await using it = await open();
  const slack = sample("slack-0");
  const body = Buffer.from('{"type":"url_verification","token":"t","challenge":"3eZbrw1aB"}');
  const now = new Date();
  const key = slack.endpoint.secrets[0]!.bytes;
  const { headers } = slack.endpoint.provider.sign({ key, body, now, eventId: "x" })!;
  const reply = await sendSample(it.door, "slack-0", { body, headers: { ...headers } });
  expect(reply.status).toBe(200);
  expect(reply.body).toContain("3eZbrw1aB");
  expect((await sendSample(it.door, "slack-0", { body })).status).toBe(401);
  expect(it.stored).toEqual([]);
});

test("a certificate that cannot be fetched is 503, and one of a strange address 401", async () => {
  let answer = found();
  const certificates = { get: async () => answer };
  await using it = await open({ receiver: { certificates } });
  expect((await sendSample(it.door, "paypal-0")).status).toBe(200);
  answer = { problem: "unreachable", detail: "timed out" };
  expect((await sendSample(it.door, "paypal-0")).status).toBe(503);
  answer = { problem: "refused", detail: "of another name" };
  expect((await sendSample(it.door, "paypal-0")).status).toBe(401);
  const strange = { "paypal-cert-url": "https://elsewhere.example/CERT-1" };
  expect((await sendSample(it.door, "paypal-0", { headers: strange })).status).toBe(401);
});

test("a query is another address, but where the provider signs it", async () => {
  await using it = await open();
  expect((await sendSample(it.door, "mercado_pago-0")).status).toBe(200);
  const { headers, body } = sample("stripe-0").sign(new Date())!;
  const path = "/v1/in/sample-stripe-0?a=1";
  const reply = await it.door.send({ path, headers: { ...headers }, body: Buffer.from(body) });
  expect(reply.status).toBe(404);
});

test("an unsigned header that is sent twice is kept, and names nothing", async () => {
  await using it = await open();
  const header = "x-github-delivery";
  await sendSample(it.door, "github-0", { headers: { [header]: "one" } });
  await sendSample(it.door, "github-0", { headers: { [header]: ["one", "two"] } });
  const webhooks = it.stored.flatMap((each) => each.webhooks);
  expect(webhooks.map(({ unsignedEventId }) => unsignedEventId)).toEqual(["one", ""]);
  expect(webhooks[1]!.headers.filter(({ name }) => name.toLowerCase() === header)).toHaveLength(2);
  expect(webhooks[0]!.webhookId).toBe(webhooks[1]!.webhookId);
});

test("gzip is verified decoded where it is allowed, bounded, and 415 elsewhere", async () => {
  const snapshot = snapshotOf(({ provider }) => ({ gzip: provider.name === "stripe" }));
  await using it = await open({ endpoints: () => snapshot });
  const { body } = sample("stripe-0");
  const headers = { "content-encoding": "gzip" };
  const send = (name: string, bytes: Buffer) => sendSample(it.door, name, { headers, body: bytes });
  expect((await send("stripe-0", gzipSync(body))).status).toBe(200);
  expect(Buffer.from(it.stored[0]!.webhooks[0]!.body)).toEqual(Buffer.from(body));
  expect((await send("svix-0", gzipSync(body))).status).toBe(415);
  expect((await send("stripe-0", Buffer.from("{}"))).status).toBe(400);
  expect((await send("stripe-0", gzipSync(Buffer.alloc(50_000_000)))).status).toBe(413);
  expect((await send("stripe-0", gzipSync("{}"))).status).toBe(401);
  expect(await it.door.gauge("bursar_gateway_in_flight_bytes")).toBe(0);
});

test("a strange address is 403 where the list is enforced, and counted where it is observed", async () => {
  const addresses = (mode: AddressMode) => {
    const policy = parseAddressPolicy({ allow: ["198.51.100.0/24"], mode });
    return "problems" in policy ? undefined : policy;
  };
  const snapshot = snapshotOf(
    ({ provider }) => ({
      addresses: addresses(provider.name === "stripe" ? AddressMode.ENFORCE : AddressMode.OBSERVE),
    }),
    { trustedProxies: proxies(["127.0.0.0/8"]) },
  );
  await using it = await open({ endpoints: () => snapshot });
  const from = (name: string, address: string) =>
    sendSample(it.door, name, { headers: { "x-forwarded-for": address } });
  expect((await from("stripe-0", "192.0.2.1")).status).toBe(403);
  expect((await from("stripe-0", "198.51.100.7, 192.0.2.1")).status).toBe(403);
  expect((await from("stripe-0", "192.0.2.1, 198.51.100.7")).status).toBe(200);
  expect((await from("svix-0", "192.0.2.1")).status).toBe(200);
  expect(await it.door.gauge("bursar_gateway_unlisted_addresses_total")).toBe(1);
});

test("forgeries over the limit are 429, and authentic requests from the same address are not", async () => {
  const unverifiedLimit = { perMinute: 1, burst: 3 };
  const snapshot = snapshotOf(undefined, { unverifiedLimit });
  await using it = await open({ endpoints: () => snapshot });
  const forge = () => sendSample(it.door, "stripe-0", { body: Buffer.from("{}") });
  const statuses = [];
  for (let n = 0; n < 6; n++) statuses.push((await forge()).status);
  expect(statuses).toEqual([401, 401, 401, 429, 429, 429]);
  expect((await forge()).headers["retry-after"]).toBe("60");
  const flood = Array.from({ length: 50 }, forge);
  const authentic = await sendSample(it.door, "stripe-0");
  expect((await Promise.all(flood)).every(({ status }) => status === 429)).toBe(true);
  // The first may find the lane full. From its first success on no flood is in its way.
  expect([200, 429]).toContain(authentic.status);
  expect((await sendSample(it.door, "stripe-0")).status).toBe(200);
  const second = Array.from({ length: 50 }, forge);
  const among = Array.from({ length: 20 }, () => sendSample(it.door, "stripe-0"));
  expect((await Promise.all(among)).map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect((await Promise.all(second)).every(({ status }) => status === 429)).toBe(true);
});

test("where nothing is signed everybody is limited, but listed addresses", async () => {
  const unverifiedLimit = { perMinute: 1, burst: 2 };
  const snapshot = snapshotOf(undefined, { unverifiedLimit });
  await using it = await open({ endpoints: () => snapshot });
  const statuses = [];
  for (let n = 0; n < 4; n++) statuses.push((await sendSample(it.door, "mollie-1")).status);
  expect(statuses).toEqual([200, 200, 429, 429]);
  const policy = parseAddressPolicy({ allow: ["127.0.0.1"], mode: AddressMode.OBSERVE });
  const listed = snapshotOf(() => ("problems" in policy ? {} : { addresses: policy }), {
    unverifiedLimit,
  });
  await using other = await open({ endpoints: () => listed });
  for (let n = 0; n < 4; n++) expect((await sendSample(other.door, "mollie-1")).status).toBe(200);
});

test("storing may take what the provider waits, less the way and the time it has waited", async () => {
  const snapshot = snapshotOf(({ provider }) => ({ spool: provider.name === "slack" }));
  await using it = await open({ endpoints: () => snapshot, publishTimeoutMs: 8_000 });
  await sendSample(it.door, "slack-0");
  await sendSample(it.door, "stripe-0");
  const [slack, stripe] = it.stored.map(({ options }) => options);
  expect(sample("slack-0").endpoint.provider.patience.timeoutMs).toBe(3_000);
  expect(slack!.deadlineMs).toBeLessThanOrEqual(2_000);
  expect(slack).toMatchObject({ spool: true });
  expect(stripe).toEqual({ deadlineMs: 8_000, spool: false });
});

test("what is refused once read is told with its bytes, and statistics hear of everything", async () => {
  const refusals: Refusal[] = [];
  const heard: unknown[] = [];
  const observed = {
    acked: (...of: unknown[]) => heard.push(["acked", ...of]),
    refused: (...of: unknown[]) => heard.push(["refused", ...of]),
    notDurable: (...of: unknown[]) => heard.push(["notDurable", ...of]),
  };
  const receiver = { observed, refused: (refusal: Refusal) => void refusals.push(refusal) };
  await using it = await open({ receiver });
  const body = Buffer.from('{"forged":true}');
  await sendSample(it.door, "stripe-0");
  await sendSample(it.door, "stripe-0", { body });
  await it.door.send({ method: "PUT", endpoint: "sample-stripe-0", headers: {} });
  expect(heard).toEqual([
    ["acked", "sample-stripe-0", false],
    ["refused", "sample-stripe-0", "signature-mismatch"],
    ["refused", "sample-stripe-0", "method"],
  ]);
  expect(refusals).toMatchObject([
    { reason: "signature-mismatch", request: { contentType: "application/json" } },
  ]);
  expect(Buffer.from(refusals[0]!.request.body)).toEqual(body);
  expect(refusals[0]!.request.headers.map(({ name }) => name)).toEqual(["stripe-signature"]);
});

test("a body of 25 MiB passes where it is allowed, one byte more does not", async () => {
  const bytesMax = 26_214_400;
  const snapshot = snapshotOf(() => ({ bodyBytesMax: bytesMax }));
  const limits = { requestsMax: 10, bytesMax: 128 * 1024 ** 2 };
  await using it = await open({ endpoints: () => snapshot, limits });
  const { endpoint } = sample("github-0");
  const key = endpoint.secrets[0]!.bytes;
  for (const [length, status] of [
    [bytesMax, 200],
    [bytesMax + 1, 413],
  ] as const) {
    const body = Buffer.alloc(length, " ");
    body.write('{"a":1}');
    const { headers } = endpoint.provider.sign({ key, body, now: new Date(), eventId: "x" })!;
    expect((await sendSample(it.door, "github-0", { body, headers: { ...headers } })).status).toBe(
      status,
    );
  }
  expect(it.stored[0]!.webhooks[0]!.body).toHaveLength(bytesMax);
  expect(await it.door.gauge("bursar_gateway_in_flight_bytes")).toBe(0);
});

test("large bodies at once, compressed or not, never hold more than the door may", async () => {
  const snapshot = snapshotOf(() => ({ bodyBytesMax: 4_000_000, gzip: true }));
  const limits = { requestsMax: 100, bytesMax: 12_000_000 };
  const load = createLoad(limits);
  let mostBytes = 0;
  const takeBytes = (count: number) => {
    const taken = load.takeBytes(count);
    mostBytes = Math.max(mostBytes, load.bytes);
    return taken;
  };
  const watched = { ...load, takeBytes };
  await using it = await open({ endpoints: () => snapshot, receiver: { load: watched } });
  const { endpoint } = sample("github-0");
  const key = endpoint.secrets[0]!.bytes;
  const plain = Buffer.alloc(3_000_000, " ");
  const { headers } = endpoint.provider.sign({ key, body: plain, now: new Date(), eventId: "x" })!;
  const replies = await Promise.all(
    Array.from({ length: 16 }, (_, n) =>
      n % 2
        ? sendSample(it.door, "github-0", { body: plain, headers: { ...headers } })
        : sendSample(it.door, "github-0", {
            body: gzipSync(plain),
            headers: { ...headers, "content-encoding": "gzip" },
          }),
    ),
  );
  const statuses = replies.map(({ status }) => status);
  expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
  expect(it.stored).toHaveLength(statuses.filter((status) => status === 200).length);
  expect(it.stored.length).toBeGreaterThan(0);
  expect(mostBytes).toBeGreaterThan(3_000_000);
  expect(mostBytes).toBeLessThanOrEqual(limits.bytesMax);
  await expect.poll(() => load.bytes).toBe(0);
  expect(load.requests).toBe(0);
});
