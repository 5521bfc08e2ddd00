import { expect, test } from "vitest";
import {
  genericEndpoint,
  problemsOf,
  secretText,
  stripeEndpoint,
} from "./testing/endpoint-configs.ts";

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
    "endpoint stripe-endpoint: secrets: none is named, and without one nothing can be verified",
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
    { body_bytes_max: 26_214_401 },
    "endpoint stripe-endpoint: body_bytes_max: must be greater than or equal to 0 and less than or equal to 26214400",
  ],
  [
    "the same key twice",
    { secrets: [{ environment: "STRIPE_SECRET" }, { environment: "STRIPE_SECRET" }] },
    "endpoint stripe-endpoint: secrets: the same key is named twice",
  ],
  [
    "a filter that does not compile",
    { filter: "event.livemode ==" },
    "endpoint stripe-endpoint: filter: does not compile: ",
  ],
  [
    "a filter that is not true or false",
    { filter: "event.amount + 1" },
    "endpoint stripe-endpoint: filter: is not true or false",
  ],
  [
    "a filter about something that does not exist",
    { filter: "evnt.livemode == true" },
    "endpoint stripe-endpoint: filter: names evnt, which is none of event, type, id, provider",
  ],
  [
    "a quarantine without a key",
    { quarantine: {} },
    "endpoint stripe-endpoint: quarantine needs a quarantine_key beside the endpoints",
  ],
  [
    "a spool without a place",
    { outage_policy: "OUTAGE_POLICY_SPOOL" },
    "endpoint stripe-endpoint: outage_policy: SPOOL needs SPOOL_DIR, which is not set",
  ],
  [
    "an address that is none",
    { addresses: { allow: ["10.0.0.0/8", "10.0.0.1/8"], mode: "ADDRESS_MODE_ENFORCE" } },
    "endpoint stripe-endpoint: addresses.allow[1]: ",
  ],
  [
    "an acknowledgement that is none",
    { ack: { status: 301 } },
    "endpoint stripe-endpoint: ack.status: ",
  ],
  [
    "a body where there can be none",
    { ack: { status: 204, body: "thanks" } },
    "endpoint stripe-endpoint: ack.body: an answer 204 has no body",
  ],
  [
    "an encoding that is not understood",
    { content_encodings: ["br"] },
    "endpoint stripe-endpoint: content_encodings[0]: ",
  ],
])("refuses %s", (_, over, problem) => {
  const problems = problemsOf({ endpoints: [{ ...stripeEndpoint, ...over }] });
  // Where the words are another's, only their beginning is ours.
  expect(problems).toEqual([problem.endsWith(" ") ? expect.stringContaining(problem) : problem]);
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

test("endpoints of one account must agree on the filter: an event counts once, by the first", () => {
  const filter = "event.livemode == true";
  const other = { ...stripeEndpoint, endpoint_id: "other-endpoint", filter };
  expect(problemsOf({ endpoints: [stripeEndpoint, other] })).toEqual([
    "endpoint other-endpoint: filter differs from that of endpoint stripe-endpoint, " +
      "which has the same provider_account: give both the same",
  ]);
  const agreed = { endpoints: [{ ...stripeEndpoint, filter }, other] };
  expect(() => problemsOf(agreed)).toThrow("the configuration was accepted");
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
