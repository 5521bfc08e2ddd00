// The command as a developer types it: a process, its output and its exit code.

import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Stripe from "stripe";
import { afterAll, expect, test } from "vitest";

const folder = mkdtempSync(join(tmpdir(), "bursar-cli-"));
afterAll(() => rmSync(folder, { recursive: true }));

const secret = "whsec_0123456789abcdef0123456789abcdef";
const file = join(folder, "endpoints.yaml");
writeFileSync(
  file,
  JSON.stringify({
    endpoints: [
      {
        endpointId: "stripe-endpoint",
        providerAccount: "acct_1",
        ledgerId: "main",
        secrets: [{ environment: "STRIPE" }],
        stripe: {},
      },
      {
        endpointId: "mercadopago-endpoint",
        providerAccount: "shop",
        ledgerId: "main",
        secrets: [{ environment: "STRIPE" }],
        mercadoPago: {},
      },
    ],
  }),
);

type Ran = { readonly code: number; readonly out: string; readonly error: string };

/** In a folder without a house, with nothing from ours in the environment. */
function bursar(args: readonly string[], env: Record<string, string> = {}, input = "") {
  const command = join(import.meta.dirname, "..", "bin", "bursar");
  const { PATH = "" } = process.env;
  return new Promise<Ran>((resolve) => {
    const options = { cwd: folder, env: { PATH, ...env }, timeout: 20_000 };
    const child = execFile(command, args, options, (failure, out, error) => {
      resolve({ code: failure ? Number(failure.code ?? -1) : 0, out, error });
    });
    child.stdin?.end(input);
  });
}

test("what it signs, the provider's own library accepts", async () => {
  const body = '{"id":"evt_1","type":"payment_intent.succeeded"}';
  const { code, out } = await bursar(
    ["sign", "stripe", "--endpoints", file, "--json"],
    { STRIPE: secret },
    body,
  );
  expect(code).toBe(0);
  const signed = JSON.parse(out);
  const event = Stripe.webhooks.constructEvent(body, signed.headers["stripe-signature"], secret);
  expect(event.id).toBe("evt_1");
  expect(Buffer.from(signed.body, "base64").toString()).toBe(body);
});

test("where nothing is signed, there is nothing but the body", async () => {
  const classic = join(folder, "classic.yaml");
  const apiKey = { environment: "MOLLIE_API_KEY" };
  const endpoint = {
    endpointId: "mollie-endpoint",
    providerAccount: "shop",
    ledgerId: "main",
    mollie: { classic: true, fetchBack: { apiKey } },
  };
  writeFileSync(classic, JSON.stringify({ endpoints: [endpoint] }));
  const env = { MOLLIE_API_KEY: secret };
  const args = ["sign", "mollie", "--endpoints", classic, "--json"];
  const { code, out } = await bursar(args, env, "id=tr_1");
  expect(code).toBe(0);
  const body = Buffer.from("id=tr_1").toString("base64");
  expect(JSON.parse(out)).toEqual({ headers: {}, body });
});

test("a query that is signed is told with the headers", async () => {
  const body = '{"action":"payment.updated","data":{"id":"42"}}';
  const sign = (...args: readonly string[]) =>
    bursar(["sign", "mercadopago", "--endpoints", file, ...args], { STRIPE: secret }, body);
  const { code, out } = await sign(
    "--event-id",
    "told-1",
    "--at",
    "2030-01-31T12:00:00Z",
    "--json",
  );
  expect(code).toBe(0);
  const { headers, query } = JSON.parse(out);
  expect(query).toBe("data.id=42&type=payment");
  const content = "id:42;request-id:told-1;ts:1896091200;";
  const mac = createHmac("sha256", secret).update(content).digest("hex");
  expect(headers).toMatchObject({ "x-signature": `ts=1896091200,v1=${mac}` });
  expect((await sign()).error).toContain("append it to the address: ?data.id=42&type=payment");
});

test.each<[string, readonly string[], RegExp]>([
  [
    "a type of which there is no sample",
    ["stripe", "pay"],
    /there are: payment_intent\.succeeded, /,
  ],
  [
    "an id that the provider could not have made",
    ["mercadopago", "payment.updated", "--payment", "pi_1"],
    /mercadopago could not send this: .* pi_1 is not/,
  ],
  [
    "nothing signed to tamper with",
    ["mercadopago", "payment.updated", "--tamper"],
    /mercadopago covers nothing/,
  ],
])("%s is not sent", async (_, args, message) => {
  const url = ["--url", "https://localhost:1", "--endpoints", file];
  const { code, error } = await bursar(["send", ...args, ...url], { STRIPE: secret });
  expect(error).toMatch(message);
  expect(code).toBe(2);
});

test("a sound file is told by endpoint, without its secrets", async () => {
  const { code, out } = await bursar(["endpoints", "check", file], { STRIPE: secret });
  expect(code).toBe(0);
  expect(out).toMatch(/stripe-endpoint +stripe account acct_1, ledger main/);
  expect(out).toMatch(/key [0-9a-f]{16} active/);
  expect(out).not.toContain(secret);
});

test("a file that the gateway would refuse is code 1, with every problem", async () => {
  const { code, out } = await bursar(["endpoints", "check", file, "--json"], { STRIPE: "short" });
  expect(code).toBe(1);
  const { ok, problems } = JSON.parse(out);
  expect(ok).toBe(false);
  expect(problems).toEqual([
    expect.stringMatching(/stripe-endpoint: secrets\[0\]/),
    expect.stringMatching(/mercadopago-endpoint: secrets\[0\]/),
  ]);
  expect(out).not.toContain('"short"');
});

test.each<[string, readonly string[], RegExp]>([
  ["no such command", ["pay"], /bursar has no command pay/],
  ["a verb that is none", ["endpoints", "mend"], /the only verb is `check`/],
  ["no endpoints", ["sign", "stripe"], /BURSAR_ENDPOINTS_FILE is not set/],
  ["a provider that has none", ["sign", "acme", "--endpoints", file], /no endpoint is called acme/],
  ["an option that is none", ["send", "stripe", "x", "--fast"], /--fast/],
  ["a filter and an id", ["replay", "id", "--all"], /one webhook, or a filter, or --all/],
  ["a time that is none", ["deliveries", "--from", "yesterday"], /must be a time such as/],
])("%s is code 2 and says what to do", async (_, args, message) => {
  const { code, error } = await bursar(args, { STRIPE: secret });
  expect(error).toMatch(message);
  expect(
    error.trimEnd().split("\n").length,
    "short, so that the reason stays in sight",
  ).toBeLessThan(25);
  expect(code).toBe(2);
});

test("a broker that is not there is code 3", async () => {
  const { code, error } = await bursar(["listen", "--nats", "nats://127.0.0.1:1"]);
  expect(error).toMatch(/the broker does not answer/);
  expect(code).toBe(3);
});

test("every command says how it is used", async () => {
  for (const name of ["send", "listen", "deliveries", "replay", "sign", "endpoints"]) {
    const { code, out } = await bursar([name, "--help"]);
    expect([name, code]).toEqual([name, 0]);
    expect(out).toContain(`usage: bursar ${name} `);
  }
});
