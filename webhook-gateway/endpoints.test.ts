import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { parseEndpoints, readEndpoints } from "./endpoints.ts";
import { activeKeys, coveredUntilMs } from "./secrets.ts";
import {
  env,
  genericEndpoint,
  now,
  parse,
  problemsOfText,
  secretText,
  standardSecret,
  stripeEndpoint,
} from "./testing/endpoint-configs.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-endpoints-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a file in YAML becomes endpoints, with defaults in place", () => {
  const path = join(folder, "endpoints.yaml");
  const secretFile = join(folder, "standard-secret");
  writeFileSync(secretFile, `${standardSecret}\n`);
  writeFileSync(
    path,
    `# Doors for one shop.
endpoints:
  - endpoint_id: stripe-endpoint
    provider_account: acct_demo
    ledger_id: main
    secrets: [{ environment: STRIPE_SECRET }]
    stripe: {}
  - endpoint_id: standard-endpoint
    provider_account: shop
    ledger_id: main
    body_bytes_max: 1000
    tolerance_ms: 60000
    secrets: [{ file: ${secretFile} }]
    standard_webhooks: {}
`,
  );
  const { endpoints } = readEndpoints(path, env, now);
  expect(endpoints.get("stripe-endpoint")).toMatchObject({
    providerAccount: "acct_demo",
    ledgerId: "main",
    provider: { name: "stripe" },
    bodyBytesMax: 262_144,
    toleranceMs: 300_000,
  });
  expect(endpoints.get("standard-endpoint")).toMatchObject({
    provider: { name: "standard" },
    bodyBytesMax: 1000,
    toleranceMs: 60_000,
  });
});

test("the examples of docs/gateway.md are one sound file, but for the secrets they name", () => {
  const page = readFileSync(new URL("../docs/gateway.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]);
  const unsound = problemsOfText(blocks.join("")).filter(
    (problem) => !/(cannot be read \(ENOENT\)|is not set)$/.test(problem),
  );
  expect(blocks.length).toBeGreaterThan(3);
  expect(unsound).toEqual([]);
});

test("the same in JSON, with names in either case", () => {
  const camelCase = {
    endpointId: "stripe-endpoint",
    providerAccount: "acct_demo",
    ledgerId: "main",
    secrets: [{ environment: "STRIPE_SECRET" }],
    stripe: {},
  };
  expect([...parse({ endpoints: [camelCase, genericEndpoint] }).keys()]).toEqual([
    "stripe-endpoint",
    "generic-endpoint",
  ]);
});

test("a secret verifies from its first moment to just before its last", () => {
  const secrets = [
    { environment: "STRIPE_SECRET", not_after_time: "2026-02-01T00:00:00Z" },
    { environment: "OTHER_SECRET", not_before_time: "2026-01-31T00:00:00Z" },
  ];
  const endpoint = parse(
    { endpoints: [{ ...stripeEndpoint, secrets }] },
    {
      ...env,
      OTHER_SECRET: `${secretText}-other`,
    },
  ).get("stripe-endpoint")!;
  const active = (time: string) => activeKeys(endpoint.secrets, new Date(time)).length;
  expect(active("2026-01-30T23:59:59.999Z")).toBe(1);
  expect(active("2026-01-31T00:00:00Z")).toBe(2);
  expect(active("2026-01-31T23:59:59.999Z")).toBe(2);
  expect(active("2026-02-01T00:00:00Z")).toBe(1);
});

test.each([
  ["", "the file must hold `endpoints`, a list"],
  ["[]", "the file must hold `endpoints`, a list"],
  [
    "endpoints: []\nmore: 1",
    "the file: cannot decode message bursar.webhook.v1.GatewayConfig: more is unknown",
  ],
  ["endpoints: []", "endpoints: must contain at least 1 item(s)"],
  ["endpoints: [", "line 1: not valid JSON or YAML (BAD_INDENT)"],
  ['{"endpoints":[],"endpoints":[]}', "line 1: not valid JSON or YAML (DUPLICATE_KEY)"],
  ["a: &x 1\nendpoints: *x", "the file uses YAML aliases: write the values out"],
])("a file that is no configuration is refused: %j", (text, problem) => {
  expect(problemsOfText(text)[0]).toBe(problem);
});

test("what an endpoint does otherwise than its provider is in the snapshot", () => {
  const key = Buffer.alloc(32, 7);
  const special = {
    ...stripeEndpoint,
    tenant_id: "north",
    filter: "event.livemode == true",
    addresses: { allow: ["192.0.2.0/24"], mode: "ADDRESS_MODE_OBSERVE" },
    outage_policy: "OUTAGE_POLICY_SPOOL",
    ack: { status: 202, body: "ok" },
    content_encodings: ["gzip"],
    quarantine: { keep_hours: 2 },
  };
  const text = JSON.stringify({
    endpoints: [special, { ...stripeEndpoint, endpoint_id: "plain-endpoint" }],
    trusted_proxies: ["10.0.0.0/8"],
    unverified_limit: { burst: 5 },
    quarantine_key: { environment: "QUARANTINE_KEY" },
  });
  const snapshot = parseEndpoints(
    text,
    { ...env, QUARANTINE_KEY: key.toString("base64"), SPOOL_DIR: "/var/spool" },
    now,
  );
  expect(snapshot.endpoints.get("stripe-endpoint")).toMatchObject({
    tenantId: "north",
    ack: { status: 202, body: "ok", contentType: "text/plain" },
    spool: true,
    addresses: { enforce: false },
    gzip: true,
    quarantine: { keepMs: 7_200_000, perMinute: 60 },
    filter: { expression: "event.livemode == true" },
  });
  expect(snapshot.endpoints.get("plain-endpoint")).toMatchObject({
    ack: { status: 200, body: '{"received":true}', contentType: "application/json" },
    // Stripe tries for three days.
    spool: false,
    addresses: undefined,
    gzip: false,
    quarantine: undefined,
    filter: undefined,
  });
  expect(snapshot.trustedProxies.has("10.1.2.3")).toBe(true);
  expect(snapshot.unverifiedLimit).toEqual({ perMinute: 60, burst: 5 });
  expect(Buffer.from(snapshot.quarantineKey!)).toEqual(key);
});

test.each(["c2hvcnQ=", "00".repeat(31), "not a key"])(
  "a quarantine key that is not 32 bytes is refused: %s",
  (secret) => {
    const config = {
      endpoints: [stripeEndpoint],
      quarantine_key: { environment: "QUARANTINE_KEY" },
    };
    expect(problemsOfText(JSON.stringify(config), { ...env, QUARANTINE_KEY: secret })).toEqual([
      "quarantine_key: the secret must be 32 bytes in base64 or hexadecimal",
    ]);
  },
);

test("a secret that is over is no problem while another one is active", () => {
  const secrets = [
    { environment: "OLD_SECRET", not_after_time: "2026-01-01T00:00:00Z" },
    { environment: "STRIPE_SECRET", not_after_time: "2026-02-02T00:00:00Z" },
  ];
  const environment = { ...env, OLD_SECRET: `${secretText}-old` };
  const endpoint = parse({ endpoints: [{ ...stripeEndpoint, secrets }] }, environment).get(
    "stripe-endpoint",
  )!;
  expect(coveredUntilMs(endpoint.secrets, now)).toBe(Date.parse("2026-02-02T00:00:00Z"));
});

test("secrets that follow each other cover the time up to the end of the last", () => {
  const secrets = [
    { environment: "STRIPE_SECRET", not_after_time: "2026-02-02T00:00:00Z" },
    {
      environment: "NEXT_SECRET",
      not_before_time: "2026-02-01T00:00:00Z",
      not_after_time: "2026-03-01T00:00:00Z",
    },
    { environment: "LATE_SECRET", not_before_time: "2026-04-01T00:00:00Z" },
  ];
  const environment = { ...env, NEXT_SECRET: `${secretText}-b`, LATE_SECRET: `${secretText}-c` };
  const endpoint = parse({ endpoints: [{ ...stripeEndpoint, secrets }] }, environment).get(
    "stripe-endpoint",
  )!;
  expect(coveredUntilMs(endpoint.secrets, now)).toBe(Date.parse("2026-03-01T00:00:00Z"));
});

test("a missing file is named", () => {
  expect(() => readEndpoints("/nowhere/endpoints.yaml", env, now)).toThrow(
    "/nowhere/endpoints.yaml cannot be read (ENOENT)",
  );
});
