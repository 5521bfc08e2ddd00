import { expect, test } from "vitest";
import type { Provider, Verified } from "./providers/provider.ts";
import { fingerprintOf } from "./providers/signature.ts";
import { stripe } from "./providers/stripe.ts";
import { selfTest } from "./self-test.ts";

const now = new Date("2026-01-31T00:00:00Z");
const bytes = Buffer.from("whsec_0123456789abcdef0123456789abcdef");
const key = { bytes, fingerprint: fingerprintOf(bytes) };
const verified: Verified = { verified: true, key, signedTime: now };

test("a sound provider passes", () => {
  expect(selfTest(stripe, key, now)).toBeUndefined();
});

// One row a provider that would let forgeries in, or nobody.
test.each<[string, Partial<Provider>, string]>([
  [
    "refuses everything",
    { sign: ({ body }) => ({ headers: {}, body }) },
    "refused what it had signed itself",
  ],
  ["looks at nothing", { verify: () => verified }, "accepted a body that was changed"],
  [
    "looks at the body only",
    {
      verify: (request, trust) =>
        Buffer.from(request.body).includes("self_test") && request.body.at(-3) === 0x74
          ? verified
          : stripe.verify(request, trust),
    },
    "accepted a signature of another key",
  ],
])("a provider that %s fails", (_, over, failure) => {
  expect(selfTest({ ...stripe, ...over }, key, now)).toBe(failure);
});
