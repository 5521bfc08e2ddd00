import { create } from "@bufbuild/protobuf";
import twilioLibrary from "twilio";
import { expect, test } from "vitest";
import { TwilioConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { requestOf, verifyWith } from "../testing/requests.ts";
import type { Provider } from "./provider.ts";
import { createTwilio } from "./twilio.ts";

const url = "https://example.com/v1/in/twilio-endpoint";
const secret = "0123456789abcdef0123456789abcdef";
const twilio = createTwilio(create(TwilioConfigSchema, { notificationUrl: url })) as Provider;
const params = { MessageSid: "SM1", MessageStatus: "delivered", Body: "a b&c=\u00e9" };
const form = new URLSearchParams(params).toString();
const theirs = (at: string, values: Record<string, string>) =>
  twilioLibrary.getExpectedTwilioSignature(secret, at, values);
const check = (body: string, written?: string) =>
  verifyWith(twilio, secret, body, { "x-twilio-signature": written });

test("what the library signs verifies: forms, with and without a port, and JSON", () => {
  expect(check(form, theirs(url, params))).toMatchObject({ verified: true });
  expect(check(form, theirs(url.replace(".com", ".com:443"), params))).toMatchObject({
    verified: true,
  });
  const json = '{"a":1}';
  const digest = twilioLibrary.getExpectedBodyHash(json);
  expect(check(json, theirs(`${url}?bodySHA256=${digest}`, {}))).toMatchObject({ verified: true });
});

test("what is signed here the library accepts", () => {
  const key = Buffer.from(secret);
  const signing = { key, now: new Date(), eventId: "e" };
  const ours = twilio.sign({ ...signing, body: Buffer.from(form) })!.headers["x-twilio-signature"]!;
  expect(twilioLibrary.validateRequest(secret, ours, url, params)).toBe(true);
  const { headers, query } = twilio.sign({ ...signing, body: Buffer.from("{}") })!;
  const written = headers["x-twilio-signature"]!;
  const asked = `${url}?${query}`;
  expect(twilioLibrary.validateRequestWithBody(secret, written, asked, "{}")).toBe(true);
});

test("a form is never the digest of a JSON body, though it is joined to the same text", () => {
  const digest = twilioLibrary.getExpectedBodyHash("{}");
  const observed = theirs(`${url}?bodySHA256=${digest}`, {});
  const forged = new URLSearchParams({ "?bodySHA256": `=${digest}` });
  // To the library they are alike.
  expect(theirs(url, Object.fromEntries(forged))).toBe(observed);
  expect(check(forged.toString(), observed)).toMatchObject({ rejection: "body-malformed" });
  expect(check(`bodySHA256=%3D${digest}`, observed)).toMatchObject({ verified: false });
});

test("a bare plus is a space, and an escaped one a plus", () => {
  expect(check("Body=a+b%2Bc", theirs(url, { Body: "a b+c" }))).toMatchObject({ verified: true });
});

test("values shifted into names keep the signature, and are therefore the same event", () => {
  const signed = theirs(url, { Foo: "Bar" });
  expect(check("Fo=oBar", signed)).toMatchObject({ verified: true });
  const ids = ["Foo=Bar", "Fo=oBar"].map((body) => twilio.identify(requestOf(body, {})).eventId);
  expect(ids[0]).toBe(ids[1]);
  expect(ids[0]).toMatch(/^[0-9a-f]{64}$/);
});

test("a repeated name is refused: the library drops equal values, so they could be added", () => {
  const signed = theirs(url, { A: ["1", "1"] } as never);
  expect(signed).toBe(theirs(url, { A: "1" }));
  expect(check("A=1&A=1", signed)).toEqual({ verified: false, rejection: "body-malformed" });
});

test.each<[string, string, string | undefined, string]>([
  ["no header", form, undefined, "header-missing"],
  ["a truncated signature", form, theirs(url, params).slice(0, -1), "header-malformed"],
  ["an empty body", "", theirs(url, {}), "body-malformed"],
  ["bad percent-encoding", "A=%zz", theirs(url, { A: "%zz" }), "body-malformed"],
  ["another address", form, theirs(`${url}x`, params), "signature-mismatch"],
])("refuses: %s", (_, body, written, rejection) => {
  expect(check(body, written)).toEqual({ verified: false, rejection });
});

test.each(["", "short", `AC${secret}`, `SK${secret}`])(
  "an unfit secret is refused: %j",
  (unfit) => {
    expect(twilio.parseKey(unfit)).toHaveProperty("unusable");
  },
);

test.each(["https://u:p@example.com/", "https://example.com/#rc=2"])(
  "an address that is not what is signed is refused: %s",
  (notificationUrl) => {
    expect(createTwilio(create(TwilioConfigSchema, { notificationUrl }))).toHaveProperty(
      "problems",
    );
  },
);
