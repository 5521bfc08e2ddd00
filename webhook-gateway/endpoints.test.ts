import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ConfigError } from "#mesh/process/config.ts";
import { parseEndpoints, readEndpoints } from "./endpoints.ts";
import { activeKeys } from "./secrets.ts";

const folder = mkdtempSync(join(tmpdir(), "bursar-endpoints-"));
afterAll(() => rmSync(folder, { recursive: true }));

const now = new Date("2026-01-31T00:00:00Z");
const secretText = "whsec_0123456789abcdef0123456789abcdef";
const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const env = {
  STRIPE_SECRET: secretText,
  STANDARD_SECRET: standardSecret,
  HEX_SECRET: "000102030405060708090a0b0c0d0e0f",
  SHORT_SECRET: "whsec_short",
};

const stripeEndpoint = {
  endpoint_id: "stripe-endpoint",
  provider_account: "acct_demo",
  ledger_id: "main",
  secrets: [{ environment: "STRIPE_SECRET" }] as object[],
  stripe: {},
};
const genericEndpoint = {
  endpoint_id: "generic-endpoint",
  provider_account: "bank",
  ledger_id: "main",
  secrets: [{ environment: "HEX_SECRET" }],
  generic_hmac: {
    signature_header: "x-signature",
    algorithm: "HMAC_ALGORITHM_SHA256",
    signature_encoding: "SIGNATURE_ENCODING_HEX",
    key_encoding: "KEY_ENCODING_HEX",
  } as object,
};

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
  const endpoints = readEndpoints(path, env, now);
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

test("the examples of docs/gateway.md are one sound file", () => {
  const page = readFileSync(new URL("../docs/gateway.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]);
  const text = blocks
    .join("")
    .replaceAll(/\{ file: \/run\/secrets\/(\w+) \}/g, "{ environment: $1 }");
  const secrets = { stripe: secretText, shop: standardSecret, BANK_WEBHOOK_SECRET: secretText };
  const endpoints = parseEndpoints(text, secrets, now);
  expect([...endpoints.values()].map(({ provider }) => provider.name)).toEqual([
    "stripe",
    "standard",
    "generic",
  ]);
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

// One row a mistake: the endpoint and the field are named, the secret never.
test.each<[string, object, string]>([
  [
    "a weak key",
    { secrets: [{ environment: "SHORT_SECRET" }] },
    "endpoint stripe-endpoint: secrets[0]: the secret is shorter than 16 characters after whsec_",
  ],
  [
    "a missing variable",
    { secrets: [{ environment: "NO_SECRET" }] },
    "endpoint stripe-endpoint: secrets[0]: environment variable NO_SECRET is not set",
  ],
  [
    "a missing file",
    { secrets: [{ file: "/nowhere/secret" }] },
    "endpoint stripe-endpoint: secrets[0]: file /nowhere/secret cannot be read (ENOENT)",
  ],
  [
    "a secret as the name of a variable",
    { secrets: [{ environment: "whsec_abcdef" }] },
    "endpoint stripe-endpoint: secrets[0]: environment variable (name not shown: it may be a secret) is not set",
  ],
  [
    "a secret as a path",
    { secrets: [{ file: secretText }] },
    "endpoint stripe-endpoint: secrets[0]: file (name not shown: it may be a secret) cannot be read (ENOENT)",
  ],
  [
    "a secret in the file",
    { secrets: [secretText] },
    "endpoints[0]: cannot decode message bursar.webhook.v1.SecretRef",
  ],
  [
    "no secrets",
    { secrets: [] },
    "endpoint stripe-endpoint: secrets: must contain at least 1 item(s)",
  ],
  [
    "an empty reference",
    { secrets: [{}] },
    "endpoint stripe-endpoint: secrets[0].source: exactly one field is required in oneof",
  ],
  [
    "no active secret",
    { secrets: [{ environment: "STRIPE_SECRET", not_after_time: "2026-01-30T00:00:00Z" }] },
    "endpoint stripe-endpoint: secrets: none is active now, check not_before_time and not_after_time",
  ],
  [
    "a secret of no time",
    {
      secrets: [
        {
          environment: "STRIPE_SECRET",
          not_before_time: "2026-02-01T00:00:00Z",
          not_after_time: "2026-01-01T00:00:00Z",
        },
      ],
    },
    "endpoint stripe-endpoint: secrets[0]: not_before_time must be before not_after_time",
  ],
  [
    "no provider",
    { stripe: undefined },
    "endpoint stripe-endpoint: provider: exactly one field is required in oneof",
  ],
  [
    "two providers",
    { standard_webhooks: {} },
    "endpoints[0]: cannot decode oneof bursar.webhook.v1.EndpointConfig.provider",
  ],
  [
    "a short id",
    { endpoint_id: "short" },
    "endpoint short: endpoint_id: does not match regex pattern `^[A-Za-z0-9_-]{8,64}$`",
  ],
  [
    "an unknown field",
    { tolerance: 5 },
    "endpoints[0]: cannot decode message bursar.webhook.v1.EndpointConfig: tolerance is unknown",
  ],
  [
    "a secret as a field",
    { [secretText]: true },
    "endpoints[0]: cannot decode message bursar.webhook.v1.EndpointConfig",
  ],
  [
    "a limit beyond the stream's",
    { body_bytes_max: 900_001 },
    "endpoint stripe-endpoint: body_bytes_max: must be greater than or equal to 0 and less than or equal to 900000",
  ],
])("refuses %s", (_, over, problem) => {
  const problems = problemsOf({ endpoints: [{ ...stripeEndpoint, ...over }] });
  expect(problems).toEqual([problem]);
  expect(problems.join()).not.toContain(secretText);
});

test.each<[string, object, string]>([
  [
    "a key that is not hexadecimal",
    { secrets: [{ environment: "STRIPE_SECRET" }] },
    "endpoint generic-endpoint: secrets[0]: the secret is not hexadecimal, as key_encoding says",
  ],
  [
    "a template without body",
    {
      generic_hmac: {
        ...genericEndpoint.generic_hmac,
        signed_content: "{timestamp}",
        timestamp_header: "x-time",
      },
    },
    "endpoint generic-endpoint: generic_hmac.signed_content does not hold {body}",
  ],
  [
    "a time that is not signed",
    { generic_hmac: { ...genericEndpoint.generic_hmac, timestamp_header: "x-time" } },
    "endpoint generic-endpoint: generic_hmac.timestamp_header is not signed: put {timestamp} into signed_content",
  ],
  [
    "an id that is not signed",
    { generic_hmac: { ...genericEndpoint.generic_hmac, id_header: "x-id" } },
    "endpoint generic-endpoint: generic_hmac.id_header is not signed: put {id} into signed_content",
  ],
  [
    "an unknown algorithm",
    { generic_hmac: { ...genericEndpoint.generic_hmac, algorithm: "MD5" } },
    "endpoints[0]: cannot decode enum bursar.webhook.v1.HmacAlgorithm",
  ],
])("refuses a generic endpoint with %s", (_, over, problem) => {
  expect(problemsOf({ endpoints: [{ ...genericEndpoint, ...over }] })).toEqual([problem]);
});

test("an endpoint id that is used twice is refused", () => {
  expect(problemsOf({ endpoints: [stripeEndpoint, stripeEndpoint] })).toEqual([
    "endpoint stripe-endpoint: endpoint_id is used twice",
  ]);
});

test("endpoints of one account must agree on the ledger", () => {
  const other = { ...stripeEndpoint, endpoint_id: "other-endpoint", ledger_id: "second" };
  expect(problemsOf({ endpoints: [stripeEndpoint, other] })).toEqual([
    "endpoint other-endpoint: ledger_id second differs from main of endpoint stripe-endpoint, " +
      "which has the same provider_account",
  ]);
});

test("everything that is wrong is listed at once, and nothing is let in", () => {
  const problems = problemsOf({
    endpoints: [
      stripeEndpoint,
      {
        ...stripeEndpoint,
        endpoint_id: "second-endpoint",
        secrets: [{ environment: "SHORT_SECRET" }, { environment: "GONE" }],
      },
      { ...genericEndpoint, ledger_id: "UPPER" },
      { ...genericEndpoint, endpoint_id: "fourth-endpoint", generic_hmac: { algorithm: 7 } },
    ],
  });
  for (const start of [
    "endpoint second-endpoint: secrets[0]: the secret is shorter",
    "endpoint second-endpoint: secrets[1]: environment variable GONE",
    "endpoint generic-endpoint: ledger_id:",
    "endpoint fourth-endpoint: generic_hmac.signature_header:",
    "endpoint fourth-endpoint: generic_hmac.algorithm:",
  ]) {
    expect(
      problems.filter((problem) => problem.startsWith(start)),
      start,
    ).toHaveLength(1);
  }
});

test.each([
  ["", "the file must hold `endpoints`, a list, and nothing else"],
  ["[]", "the file must hold `endpoints`, a list, and nothing else"],
  ["endpoints: []\nmore: 1", "the file must hold `endpoints`, a list, and nothing else"],
  ["endpoints: []", "endpoints: must contain at least 1 item(s)"],
  ["endpoints: [", "line 1: not valid JSON or YAML (BAD_INDENT)"],
  ['{"endpoints":[],"endpoints":[]}', "line 1: not valid JSON or YAML (DUPLICATE_KEY)"],
  ["a: &x 1\nendpoints: *x", "the file uses YAML aliases: write the values out"],
])("a file that is no configuration is refused: %j", (text, problem) => {
  expect(problemsOfText(text)[0]).toBe(problem);
});

test("a missing file is named", () => {
  expect(() => readEndpoints("/nowhere/endpoints.yaml", env, now)).toThrow(
    "/nowhere/endpoints.yaml cannot be read (ENOENT)",
  );
});

function parse(config: object, environment: Record<string, string> = env) {
  return parseEndpoints(JSON.stringify(config), environment, now);
}

function problemsOf(config: object): readonly string[] {
  return problemsOfText(JSON.stringify(config));
}

function problemsOfText(text: string): readonly string[] {
  try {
    parseEndpoints(text, env, now);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("the configuration was accepted");
}
