import { hmacValidator } from "@adyen/api-library";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AdyenConfigSchema, AdyenProduct } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { selfTest } from "../self-test.ts";
import { now, requestOf, verifyWith } from "../testing/requests.ts";
import { createAdyen } from "./adyen.ts";
import type { Provider } from "./provider.ts";

const secret = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056";
const config = { merchantAccounts: ["TestMerchant"], product: AdyenProduct.PAYMENTS };
const adyen = createAdyen(create(AdyenConfigSchema, config)) as Provider;
const library = new hmacValidator();

const item = {
  pspReference: "7914073381342284",
  originalReference: "",
  merchantAccountCode: "TestMerchant",
  merchantReference: "TestPayment-1407325143704",
  amount: { value: 1130, currency: "EUR" },
  eventCode: "AUTHORISATION",
  success: "true",
};
type Item = Omit<typeof item, "amount"> & { amount: object; additionalData?: object };

function signed(over: object = {}): Item {
  const meant = { ...item, ...over };
  const hmacSignature = library.calculateHmac(meant as never, secret);
  return { ...meant, additionalData: { hmacSignature } };
}
const bodyOf = (...items: object[]) =>
  JSON.stringify({
    live: "false",
    notificationItems: items.map((each) => ({ NotificationRequestItem: each })),
  });
const check = (body: string) => verifyWith(adyen, secret, body, {});

test("Adyen's own vector verifies, and what the library signs", () => {
  const hmacSignature = "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=";
  expect(check(bodyOf({ ...item, additionalData: { hmacSignature } }))).toMatchObject({
    verified: true,
  });
  expect(check(bodyOf(signed(), signed({ pspReference: "8814073381342284" })))).toMatchObject({
    verified: true,
  });
});

test("what is signed here the library accepts, item by item", () => {
  const body = Buffer.from(bodyOf(item, { ...item, merchantReference: "A:1" }));
  const ours = adyen.sign({ key: Buffer.from(secret, "hex"), body, now, eventId: "" })!.body;
  const { notificationItems } = JSON.parse(Buffer.from(ours).toString());
  for (const { NotificationRequestItem: each } of notificationItems) {
    expect(library.validateHMAC(each, secret)).toBe(true);
  }
});

test("items are split into their exact bytes, each with its own signed identity", () => {
  const body = bodyOf(signed(), signed({ eventCode: "REFUND" })).replaceAll(":", " : ");
  const parts = adyen.split!(requestOf(body, {}));
  expect(parts.map((part) => adyen.identify(requestOf(part, {})))).toEqual([
    { eventId: "7914073381342284/AUTHORISATION/true", eventType: "AUTHORISATION" },
    { eventId: "7914073381342284/REFUND/true", eventType: "REFUND" },
  ]);
  for (const part of parts) expect(body).toContain(Buffer.from(part).toString());
});

test("the library joins fields without escaping: what collides there is refused here", () => {
  const honest = signed({ merchantReference: "A", amount: { value: "1:100", currency: "EUR" } });
  const moved = { ...honest, merchantReference: "A:1", amount: { value: 100, currency: "EUR" } };
  expect(library.validateHMAC(moved as never, secret)).toBe(true);
  // Whole numbers only, so the honest one could never have been sent.
  expect(check(bodyOf(honest))).toEqual({ verified: false, rejection: "body-malformed" });
  const shifted = {
    ...signed({ merchantReference: "x:y" }),
    merchantAccountCode: "TestMerchant:x",
  };
  const back = { ...shifted, merchantReference: "y" };
  expect(library.validateHMAC(back as never, secret)).toBe(true);
  expect(check(bodyOf(back))).toEqual({ verified: false, rejection: "body-malformed" });
  expect(check(bodyOf(signed({ merchantReference: "A\\:1" })))).toMatchObject({
    rejection: "body-malformed",
  });
});

test("a colon in the reference verifies as it stands and escaped", () => {
  const plain = signed({ merchantReference: "A:1" });
  const escaped = { ...signed({ merchantReference: "A\\:1" }), merchantReference: "A:1" };
  for (const each of [plain, escaped]) {
    expect(check(bodyOf(each))).toMatchObject({ verified: true });
  }
});

test("one bad item of several refuses them all", () => {
  const bad = { ...signed(), amount: { value: 1, currency: "EUR" } };
  for (const items of [
    [signed(), bad],
    [bad, signed()],
  ]) {
    expect(check(bodyOf(...items))).toEqual({ verified: false, rejection: "signature-mismatch" });
  }
});

test.each<[string, string, string]>([
  ["no items", bodyOf(), "body-malformed"],
  ["no JSON", "x", "body-malformed"],
  [
    "an item twice named",
    bodyOf(signed()).replace('"eventCode"', '"success":"true","eventCode"'),
    "body-malformed",
  ],
  ["an unsigned item", bodyOf(item), "body-malformed"],
  [
    "an account of somebody else",
    bodyOf(signed({ merchantAccountCode: "Other" })),
    "account-unknown",
  ],
  ["a decimal", bodyOf(signed({ amount: { value: 11.3, currency: "EUR" } })), "body-malformed"],
  [
    "a value as text",
    bodyOf(signed({ amount: { value: "1130", currency: "EUR" } })),
    "body-malformed",
  ],
  ["a small currency", bodyOf(signed({ amount: { value: 1, currency: "eur" } })), "body-malformed"],
  ["a success as no text", bodyOf(signed({ success: true })), "body-malformed"],
])("refuses: %s", (_, body, rejection) => {
  expect(check(body)).toEqual({ verified: false, rejection });
});

test("a key that is no hexadecimal is empty to the library, and so anybody's; here it is refused", () => {
  expect(library.calculateHmac(item as never, "not hex")).toBe(
    library.calculateHmac(item as never, ""),
  );
  for (const unfit of ["", "not hex", "abc", secret.slice(2), `${secret}00`]) {
    expect(adyen.parseKey(unfit)).toHaveProperty("unusable");
  }
});

test("platform webhooks are signed as a whole", () => {
  const platform = createAdyen(
    create(AdyenConfigSchema, { ...config, product: AdyenProduct.PLATFORM }),
  ) as Provider;
  const body = '{"type":"balancePlatform.transfer.updated"}';
  const key = Buffer.from(secret, "hex");
  const mac = platform.sign({ key, body: Buffer.from(body), now, eventId: "" })!.headers;
  expect(library.validateHMACSignature(secret, mac["hmacsignature"]!, body)).toBe(true);
  expect(verifyWith(platform, secret, body, mac)).toMatchObject({ verified: true });
  expect(verifyWith(platform, secret, `${body} `, mac)).toMatchObject({ verified: false });
  const wrong = { ...config, product: AdyenProduct.PLATFORM, manualCapture: true };
  expect(createAdyen(create(AdyenConfigSchema, wrong))).toHaveProperty("problems");
});

test("an endpoint's self-test passes", () => {
  const bytes = Buffer.from(secret, "hex");
  expect(selfTest(adyen, { bytes, fingerprint: "0".repeat(16) }, now)).toBeUndefined();
});
