// Two sound endpoints to vary in tests of the configuration, and what the gateway says of a file.

import { ConfigError, type Env } from "#mesh/process/config.ts";
import { parseEndpoints } from "../endpoints.ts";

export const now = new Date("2026-01-31T00:00:00Z");
export const secretText = "whsec_0123456789abcdef0123456789abcdef";
export const standardSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
export const env = {
  STRIPE_SECRET: secretText,
  STANDARD_SECRET: standardSecret,
  HEX_SECRET: "000102030405060708090a0b0c0d0e0f",
  SHORT_SECRET: "whsec_short",
};

export const stripeEndpoint = {
  endpoint_id: "stripe-endpoint",
  provider_account: "acct_demo",
  ledger_id: "main",
  secrets: [{ environment: "STRIPE_SECRET" }] as object[],
  stripe: {},
};
export const genericEndpoint = {
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
export function parse(config: object, environment: Record<string, string> = env) {
  return parseEndpoints(JSON.stringify(config), environment, now).endpoints;
}

export function problemsOf(config: object): readonly string[] {
  return problemsOfText(JSON.stringify(config));
}

export function problemsOfText(text: string, environment: Env = env): readonly string[] {
  try {
    parseEndpoints(text, environment, now);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error("the configuration was accepted");
}
