import { create, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CreateOfferRequestSchema } from "#gen/bursar/cms/v1/offer_service_pb.ts";
import { AccessConfigSchema } from "#gen/bursar/mesh/v1/access_pb.ts";
import { MethodPolicySchema } from "#gen/bursar/mesh/v1/policy_pb.ts";
import {
  DisputeClosedSchema,
  PaymentRefundedSchema,
  PaymentSucceededSchema,
} from "#gen/bursar/payments/v1/events_pb.ts";
import { matchesPattern } from "./pattern.ts";
import { surelyValid } from "./quick-rules.ts";
import { findNoText } from "./text.ts";

const validator = createValidator({ regexMatch: matchesPattern });

function isValid<D extends DescMessage>(schema: D, message: MessageShape<D>): boolean {
  const hasNoText = findNoText(schema, message).length > 0;
  return !hasNoText && validator.validate(schema, message).kind === "valid";
}

const time = { seconds: 1_790_000_000n, nanos: 5 };
const amount = { amountMinor: 4_900n, currencyCode: "USD" };
const provenance = {
  webhookId: "whk_1",
  endpointId: "stripe",
  bodySha256: new Uint8Array(32),
  coverage: 1,
  receivedTime: time,
};
const ofPayment = {
  ledgerId: "main",
  paymentId: "stripe/acct_1/pi_1",
  amount,
  occurredTime: time,
  provenance,
};
const dispute = { ...ofPayment, disputeId: "stripe/acct_1/dp_1", outcome: 1 };
const offer = { title: "Ünïcode 😀", courseIds: ["crs_01jz"], prices: [amount], requestId: "r" };

const samples: [DescMessage, object][] = [
  [PaymentSucceededSchema, ofPayment],
  [DisputeClosedSchema, dispute],
  [PaymentRefundedSchema, { ...ofPayment, refundId: "stripe/acct_1/re_1" }],
  [CreateOfferRequestSchema, offer],
  [AccessConfigSchema, { grants: [{ identity: "spiffe://bursar/a", scopes: ["a.b.c"] }] }],
  [MethodPolicySchema, { scope: "a.b.c", callers: ["*"] }],
];

test("a message without rules that only the validator knows is judged at once", () => {
  for (const [schema, init] of samples.slice(0, 2)) {
    expect(surelyValid(schema, create(schema, init as never))).toBe(true);
  }
});

test("what has rules in CEL is left to the validator", () => {
  const refund = { ...ofPayment, refundId: "stripe/acct_1/re_1" };
  const message = create(PaymentRefundedSchema, refund as never);
  expect(isValid(PaymentRefundedSchema, message)).toBe(true);
  expect(surelyValid(PaymentRefundedSchema, message)).toBe(false);
});

test("another message than the schema's is left to the validator, at any depth", () => {
  const message = create(PaymentSucceededSchema, ofPayment as never);
  expect(surelyValid(DisputeClosedSchema, message)).toBe(false);
  expect(surelyValid(PaymentSucceededSchema, { ...message, amount: message.provenance })).toBe(
    false,
  );
});

const odd = fc.oneof(
  fc.constantFrom(
    ...["", "a", "A", "USD", "a\0", "\ud800", "😀", "x".repeat(62), "x".repeat(63), "x".repeat(64)],
    ...["a/b/c", "x".repeat(128), "😀".repeat(128), "😀".repeat(129), "x".repeat(256), "é\n"],
    ...[0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 0, 1, -1, 2, 99, -0, Number.NaN, 2 ** 31 - 1],
    ...[true, false, undefined, new Uint8Array(0), new Uint8Array(31), new Uint8Array(32)],
  ),
  fc.string({ unit: "binary", maxLength: 70 }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);

describe.each(samples)("of $typeName", (schema, init) => {
  test("whatever is let through is valid for the validator, too", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), odd), { maxLength: 3 }), (changes) => {
        const message = create(schema, structuredClone(init) as never);
        for (const [place, value] of changes) change(message, place, value);
        if (surelyValid(schema, message)) expect(isValid(schema, message)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Puts the value in one of the places of the message, lists and messages inside included. */
function change(message: object, place: number, value: unknown): void {
  const places: (() => void)[] = [];
  const look = (inside: Record<string, unknown>) => {
    for (const [name, held] of Object.entries(inside)) {
      if (name === "$typeName") continue;
      places.push(() => {
        inside[name] = value;
      });
      if (Array.isArray(held)) places.push(() => held.push(value));
      if (Array.isArray(held)) places.push(() => held.splice(0));
      const isNested = typeof held === "object" && held !== null && !ArrayBuffer.isView(held);
      if (isNested) look(held as Record<string, unknown>);
    }
  };
  look(message as Record<string, unknown>);
  places[place % places.length]?.();
}
