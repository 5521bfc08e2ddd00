// Changed requests of every registered provider through a real socket: what is on
// the wire lies about its length, comes in pieces, follows without waiting, ends
// early. CI tries some; `MUTATIONS=10000` tries many.

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { StoreWebhooks } from "./store-webhook.ts";
import { openTestDoor, type TestDoor } from "./testing/door.ts";
import { mutable } from "./testing/mutable.ts";
import { mutate, type Random, seededRandom } from "./testing/mutate.ts";
import { signedPart } from "./testing/signed-part.ts";
import { samples, snapshotOf } from "./testing/snapshots.ts";
import { damaged, pieces, wireOf } from "./testing/wire.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const mutations = Number(process.env["MUTATIONS"] ?? 500);
console.log(`mutations.int.test.ts: SEED=${seed} MUTATIONS=${mutations}`);
const atOnce = 32;

test("whatever is on the wire, nothing is stored that was not signed, and the door stays well", async () => {
  const random = seededRandom(seed);
  const now = new Date();
  const all = [...samples.values()].map((sample) => mutable(sample, now));
  const byEndpoint = new Map(all.map((one) => [one.endpoint.endpointId, one]));
  const wrong: unknown[] = [];
  let stored = 0;
  const store: StoreWebhooks = async (webhooks) => {
    stored += 1;
    const [first] = webhooks;
    const { endpoint, signed } = byEndpoint.get(first!.endpointId)!;
    const body = Buffer.concat(webhooks.map((webhook) => webhook.body));
    if (signedPart(endpoint.provider, body, webhooks) !== signed) wrong.push(webhooks);
    return { durable: true, duplicate: false, where: "broker" };
  };
  const snapshot = snapshotOf(() => ({ bodyBytesMax: 5_000 }));
  const certificate = byEndpoint.get("sample-paypal-0")!.certificate!;
  const certificates = { get: async () => ({ certificate }) };
  const statuses = new Map<string, number>();
  await using door = await openTestDoor(store, {
    plain: true,
    endpoints: () => snapshot,
    receiver: { certificates, bodyTimeoutMs: 100 },
  });
  const ask = async () => {
    const { endpoint, request } = all[random(all.length)]!;
    const form = endpoint.provider.contentType === "form";
    const type = form ? "application/x-www-form-urlencoded" : "application/json";
    const changed = random(3) === 0 ? request : mutate(request, random);
    const length = changed.body.length;
    const framings = ["length", "length", "chunked", length - 1, length + 1, 10 * length] as const;
    const framing = framings[random(framings.length)]!;
    const wire = damaged(wireOf(endpoint.endpointId, changed, type, framing), random);
    const reply = await converse(door, random(4) ? [wire] : [wire, wire], random);
    for (const status of reply.match(/^HTTP\/1\.1 \d{3}/gm) ?? ["none"]) {
      statuses.set(status, 1 + (statuses.get(status) ?? 0));
    }
  };
  for (let n = 0; n < mutations; n += atOnce) {
    await Promise.all(Array.from({ length: Math.min(atOnce, mutations - n) }, ask));
  }
  console.log(`stored ${stored}`, Object.fromEntries([...statuses].sort()));
  expect(wrong).toEqual([]);
  expect(stored).toBeGreaterThan(0);
  expect([...statuses.keys()].filter((status) => status.endsWith(" 500"))).toEqual([]);
  await expect.poll(() => door.gauge("bursar_gateway_in_flight_requests")).toBe(0);
  expect(await door.gauge("bursar_gateway_in_flight_bytes")).toBe(0);
}, 600_000);

/** Says it piece by piece, half closes, and hears what the door says. */
async function converse(door: TestDoor, wires: Buffer[], random: Random): Promise<string> {
  const socket = await door.openSocket();
  socket.on("error", () => {});
  socket.setTimeout(3_000, () => socket.destroy());
  let reply = "";
  socket.on("data", (chunk) => (reply += chunk.toString("latin1")));
  const closed = new Promise((resolve) => socket.once("close", resolve));
  for (const piece of pieces(Buffer.concat(wires), random)) {
    socket.write(piece);
    await nextTurn();
  }
  if (random(2)) socket.end();
  else setTimeout(() => socket.end(), 150);
  await closed;
  return reply;
}
