// The developer's command against a house: every provider's webhook over the real door,
// and what `bursar` then says of it.

import { execFile } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { type House, openHouse } from "#dev/house.ts";
import { samples } from "#dev/sample-events.ts";
import { makeFolder } from "./folder.ts";

const folder = makeFolder("command");
let house: House;
let env: Record<string, string>;

beforeAll(async () => {
  house = await openHouse({ folder, starts: ["webhook-gateway"] });
  env = { ...environmentOfHouse(house), PATH: process.env["PATH"] ?? "" };
});
afterAll(async () => {
  await house[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Ran = { readonly code: number; readonly lines: readonly string[]; readonly error: string };

function bursar(...args: readonly string[]): Promise<Ran> {
  const command = join(import.meta.dirname, "..", "bin", "bursar");
  return new Promise<Ran>((resolve) => {
    execFile(command, args, { cwd: folder, env, timeout: 60_000 }, (failure, out, error) => {
      const code = failure ? Number(failure.code ?? -1) : 0;
      resolve({ code, lines: out.split("\n").filter((line) => line !== ""), error });
    });
  });
}

type Json = { readonly [name: string]: unknown };

async function deliveries(...args: readonly string[]): Promise<readonly Json[]> {
  const { code, lines, error } = await bursar("deliveries", "--json", ...args);
  expect([code, error]).toEqual([0, ""]);
  return lines.map((line) => JSON.parse(line) as Json);
}

/**
 * Of every provider that has an endpoint here, the first sample: that of a payment, if it has
 * one.
 */
const sent = [...samples]
  .filter(([provider]) => provider !== "paypal" && provider !== "mollie-classic")
  .map(([provider, makers]): readonly [string, string] => [provider, Object.keys(makers)[0] ?? ""]);

const outcomes: Readonly<Record<string, string>> = {
  mercadopago: "DELIVERY_OUTCOME_UNCONFIRMED",
  github: "DELIVERY_OUTCOME_KEPT",
  slack: "DELIVERY_OUTCOME_KEPT",
  twilio: "DELIVERY_OUTCOME_KEPT",
};
const published = "DELIVERY_OUTCOME_PUBLISHED";
const outcomeOf = (provider: string) => outcomes[provider] ?? published;
const paying = sent.filter(([provider]) => outcomeOf(provider) === published);

test("the endpoints of a house are sound", async () => {
  const { code, lines } = await bursar("endpoints", "check", "--json");
  expect(code).toBe(0);
  const { ok, endpoints } = JSON.parse(lines[0] ?? "") as { ok: boolean; endpoints: Json[] };
  expect(ok).toBe(true);
  const providers = sent.map(([provider]) => provider);
  expect(endpoints.map(({ provider }) => provider).sort()).toEqual(providers.sort());
});

test("what is changed after it was signed is refused, whoever sends it", async () => {
  for (const [provider, name] of sent) {
    const { code, lines, error } = await bursar("send", provider, name, "--tamper", "--json");
    // Of its notification nothing is signed but which payment it is about.
    if (provider === "mercadopago") {
      expect([provider, code, error]).toEqual([
        provider,
        2,
        expect.stringMatching(/covers nothing/),
      ]);
      continue;
    }
    expect([provider, code, ...lines.map((line) => JSON.parse(line).status)]).toEqual([
      ...[provider, 1, 401],
    ]);
  }
  expect(await deliveries()).toEqual([]);
});

test("what every provider sends arrives, and becomes what it says", async () => {
  for (const [provider, name] of sent) {
    // Numbers are ids with every provider.
    const args = ["--order", "ord_1", "--payment", "1001", "--amount", "1234", "--currency", "eur"];
    const { code, lines, error } = await bursar("send", provider, name, ...args, "--json");
    expect([provider, code, error]).toEqual([provider, 0, ""]);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ status: expect.toSatisfy(isSuccess) });
  }
  const found = await eventually(async () => {
    const all = await deliveries("--limit", "100");
    return all.length < sent.length ? undefined : all;
  });
  const told = found?.map(({ provider, outcome }) => [provider, outcome]);
  expect(told?.sort()).toEqual(sent.map(([provider]) => [provider, outcomeOf(provider)]).sort());

  const count = String(paying.length);
  const heard = await bursar("listen", "PAYMENTS", "--all", "--count", count, "--json");
  expect([heard.code, heard.error]).toEqual([0, ""]);
  const messages = heard.lines.map((line) => (JSON.parse(line) as { message: Json }).message);
  for (const message of messages) {
    expect(message).toMatchObject({
      orderId: "ord_1",
      amount: { amountMinor: "1234", currencyCode: "EUR" },
    });
  }
  const payments = messages.map(({ paymentId }) => String(paymentId).split("/")[0]);
  expect(payments.sort()).toEqual(paying.map(([provider]) => provider).sort());
});

const isSuccess = (status: unknown) => Number(status) >= 200 && Number(status) < 300;

test("one webhook sent three times counts once", async () => {
  const args = ["paddle", "transaction.completed", "--times", "3", "--order", "ord_3"];
  const { code, lines } = await bursar("send", ...args, "--json");
  expect(code).toBe(0);
  expect(lines.map((line) => JSON.parse(line).status)).toEqual([200, 200, 200]);
  // What came after it is listed, so all of it was handled.
  await bursar("send", "razorpay", "payment.captured", "--order", "ord_4");
  await eventually(async () => {
    const all = await deliveries("--provider", "razorpay");
    return all.length < 2 ? undefined : all;
  });
  const [latest, ...others] = await deliveries("--provider", "paddle");
  expect(latest).toMatchObject({ outcome: published });
  expect(others).toHaveLength(1);
  const count = String(paying.length + 2);
  const heard = await bursar("listen", "PAYMENTS", "--all", "--count", count, "--json");
  expect(heard.code).toBe(0);
  const orders = heard.lines.map((line) => JSON.parse(line).message.orderId);
  expect(orders.filter((order) => order === "ord_3")).toHaveLength(1);
});

test("a webhook is shown with its bytes, and replayed to the same end", async () => {
  const [delivery] = await deliveries("--provider", "braintree");
  const webhookId = String(delivery?.["webhookId"]);
  const raw = await bursar("deliveries", webhookId, "--raw");
  expect(raw.lines[0]).toMatch(/^bt_signature=/);
  const { code, lines, error } = await bursar("replay", webhookId, "--json");
  expect([code, error]).toEqual([0, ""]);
  // False is left out.
  expect(JSON.parse(lines[0] ?? "")).not.toHaveProperty("changed");
  const all = await bursar("replay", "--provider", "braintree", "--json");
  expect([all.code, all.error]).toEqual([0, ""]);
  expect(JSON.parse(all.lines.at(-1) ?? "")).toMatchObject({
    state: "REPLAY_STATE_DONE",
    handled: "1",
  });
});

test("a gateway that is away is code 3", async () => {
  const send = await bursar(
    "send",
    "paddle",
    "transaction.completed",
    "--url",
    "https://localhost:1",
  );
  expect(send).toMatchObject({
    code: 3,
    error: expect.stringMatching(/localhost:1 does not answer/),
  });
});
