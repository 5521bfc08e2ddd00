// The command as a developer types it: a process, its output and its exit code.

import { execFile } from "node:child_process";
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
  expect(problems).toEqual([expect.stringMatching(/stripe-endpoint: secrets\[0\]/)]);
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
