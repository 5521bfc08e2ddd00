import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureStream } from "#mesh/events/streams.ts";
import { openTestBroker, silentLog, type TestBroker } from "#mesh/testing/broker.ts";
import { createWebhookStore } from "./store-webhook.ts";
import { openTestDoor } from "./testing/door.ts";
import { stripeEvent, stripeHeaders } from "./testing/senders.ts";

let testBroker: TestBroker;

beforeAll(async () => {
  testBroker = await openTestBroker("webhook-gateway");
  await ensureStream(testBroker.broker, "WEBHOOKS");
});
afterAll(() => testBroker[Symbol.asyncDispose]());

test.each([
  [-10, "timestamp-too-new"],
  [10, "timestamp-too-old"],
])(
  "a gateway whose clock is %i minutes off refuses until it is set right",
  async (minutes, why) => {
    const { broker } = testBroker;
    let offMinutes = minutes;
    const now = () => new Date(Date.now() + offMinutes * 60_000);
    const store = createWebhookStore({ broker, source: "webhook-gateway", log: silentLog() });
    await using door = await openTestDoor(store, { receiver: { now } });
    const send = async (eventId: string) => {
      const body = stripeEvent(eventId);
      return (await door.send({ body, headers: stripeHeaders(body) })).status;
    };
    expect(await send(`evt_${why}`)).toBe(401);
    expect(await door.rejected(why)).toBe(1);
    offMinutes = Math.sign(minutes) * 4.5;
    expect(await send(`evt_${why}`)).toBe(200);
    offMinutes = 0;
    expect(await send(`evt_${why}_right`)).toBe(200);
    expect(await door.rejected(why)).toBe(1);
  },
);
