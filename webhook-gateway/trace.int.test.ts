import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { createSampler } from "#mesh/telemetry/sampler.ts";
import { currentSpan, type FinishedSpan, recordSpans } from "#mesh/telemetry/trace.ts";
import type { Stored } from "./store-webhook.ts";
import { openTestDoor, type TestDoor } from "./testing/door.ts";
import { stripeEvent, stripeHeaders } from "./testing/senders.ts";

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
let door: TestDoor;
let stored: Stored = { durable: true, duplicate: false, where: "broker" };
let storing: string | undefined;
let spans: FinishedSpan[] = [];
let forget = () => {};

beforeAll(async () => {
  door = await openTestDoor(async () => {
    storing = currentSpan()?.spanId;
    return stored;
  });
});
afterAll(() => door[Symbol.asyncDispose]());
beforeEach(() => {
  spans = [];
  const sampler = createSampler("parentbased_always_on", 1);
  forget = recordSpans({ sampler, record: (span) => spans.push(span) });
});
afterEach(() => forget());

test("a webhook begins a trace, whatever its sender says, and is stored within it", async () => {
  const body = stripeEvent("evt_traced");
  const reply = await door.send({ body, headers: { ...stripeHeaders(body), traceparent } });
  expect(reply.status).toBe(200);
  const span = await doorSpan();
  expect(span).toMatchObject({
    kind: "server",
    parent: undefined,
    attributes: {
      "http.route": "/v1/in/{endpoint_id}",
      "http.response.status_code": 200,
      "bursar.endpoint": "stripe-endpoint",
    },
    errorType: undefined,
  });
  expect(span?.traceId).not.toBe("0af7651916cd43dd8448eb211c80319c");
  expect(span?.spanId).toBe(storing);
});

test("a webhook that is not durable fails its span, and a forged one does not", async () => {
  const body = stripeEvent("evt_lost");
  stored = { durable: false };
  expect((await door.send({ body, headers: stripeHeaders(body) })).status).toBe(503);
  expect(await doorSpan()).toMatchObject({ errorType: "503" });
  spans = [];
  const headers = stripeHeaders(body, { secret: "whsec_anothers" });
  expect((await door.send({ body, headers })).status).toBe(401);
  const status = { "http.response.status_code": 401 };
  expect(await doorSpan()).toMatchObject({ errorType: undefined, attributes: status });
});

/** It ends a moment after the answer has left. */
async function doorSpan(): Promise<FinishedSpan | undefined> {
  await expect.poll(() => spans.length).toBe(1);
  return spans[0];
}
