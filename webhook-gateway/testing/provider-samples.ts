// An endpoint of every registered provider, for tests that go through all of
// them. A provider that is added is found here by itself; what it needs to be
// configured with stands below.

import { fromJson, type JsonObject } from "@bufbuild/protobuf";
import { EndpointConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import type { Endpoint } from "../endpoints.ts";
import type { Provider, Signed } from "../providers/provider.ts";
import { createProvider, type ProviderCase } from "../providers/registry.ts";
import { fingerprintOf } from "../providers/signature.ts";

const address = { notification_url: "https://gateway.example/v1/in/sample-endpoint" };
const fetchBack = { api_key: { environment: "UNUSED" } };

/** Configurations of providers that cannot do with an empty one. */
const configs: { readonly [C in ProviderCase]?: readonly JsonObject[] } = {
  genericHmac: [
    {
      signature_header: "x-signature",
      algorithm: "HMAC_ALGORITHM_SHA256",
      signature_encoding: "SIGNATURE_ENCODING_HEX",
      key_encoding: "KEY_ENCODING_HEX",
    },
    {
      signature_header: "x-signature",
      signature_prefix: "v1=",
      algorithm: "HMAC_ALGORITHM_SHA512",
      signature_encoding: "SIGNATURE_ENCODING_BASE64",
      key_encoding: "KEY_ENCODING_HEX",
      signed_content: "{id}.{timestamp}.{body}",
      timestamp_header: "x-time",
      id_header: "x-id",
    },
  ],
  adyen: [
    { merchant_accounts: ["Shop"], product: "ADYEN_PRODUCT_PAYMENTS" },
    { merchant_accounts: ["Shop"], product: "ADYEN_PRODUCT_PLATFORM" },
  ],
  square: [address],
  twilio: [address],
  mollie: [{}, { classic: true, fetch_back: fetchBack }],
  braintree: [{ public_key: "publickey1" }],
};

/** The first that a provider takes is its secret. */
const secrets = [
  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  "pdl_ntfset_0123456789abcdef0123456789abcdef",
  "0123456789ABCDEF0",
];

export type Sample = {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly body: Uint8Array;
  /** Undefined where nothing is signed. */
  sign(now: Date): Signed | undefined;
};

export function providerSamples(): readonly Sample[] {
  const [oneof] = EndpointConfigSchema.oneofs;
  return (oneof?.fields ?? []).flatMap(({ localName, name, message }) => {
    const all = configs[localName as ProviderCase] ?? [{}];
    return all.map((config, index) => {
      const value = message && fromJson(message, config);
      const provider = createProvider({ case: localName, value } as never);
      if ("problems" in provider) {
        throw new Error(`${name} needs a sample configuration: ${provider.problems.join("; ")}`);
      }
      return sampleOf(`${name}-${index}`, provider);
    });
  });
}

const plainBody = Buffer.from(
  '{"id":"evt_1","type":"payment.succeeded","data":{"id":"pay_1","amount":4900,"currency":"usd"}}',
);

function sampleOf(name: string, provider: Provider): Sample {
  const key = secrets
    .map((secret) => provider.parseKey(secret))
    .find((parsed): parsed is Uint8Array => !("unusable" in parsed));
  const endpoint: Endpoint = {
    endpointId: `sample-${name}`,
    tenantId: "",
    providerAccount: "account",
    ledgerId: "main",
    provider,
    secrets: key
      ? [
          {
            bytes: key,
            fingerprint: fingerprintOf(key),
            notBeforeMs: Number.NEGATIVE_INFINITY,
            notAfterMs: Number.POSITIVE_INFINITY,
          },
        ]
      : [],
    bodyBytesMax: 100_000,
    toleranceMs: 300_000,
    ack: provider.ack,
    spool: false,
    addresses: undefined,
    gzip: false,
    quarantine: undefined,
    filter: undefined,
    fetchBack: undefined,
  };
  const body = provider.selfTestBody ?? plainBody;
  return {
    name,
    endpoint,
    body,
    sign: (now) => key && provider.sign({ key, body, now, eventId: "evt_sample" }),
  };
}
