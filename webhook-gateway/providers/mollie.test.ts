import { create } from "@bufbuild/protobuf";
import { SignatureValidator } from "mollie-api-typescript/utils/webhooks/signature_validator.js";
import { expect, test } from "vitest";
import { FetchBackConfigSchema, MollieConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createMollie } from "./mollie.ts";
import type { Provider } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";

const provider = createMollie(create(MollieConfigSchema)) as Provider;
const fetchBack = create(FetchBackConfigSchema);
const classic = createMollie(create(MollieConfigSchema, { classic: true, fetchBack })) as Provider;
const secret = "whsec-mollie-0123456789";
const key = Buffer.from(secret);
const body = Buffer.from('{"id":"event_1","type":"payment.paid"}');
const now = new Date();
const ours = provider.sign({ key, body, now, eventId: "" })!.headers["x-mollie-signature"]!;

test("a fixed vector verifies", () => {
  const header = "sha256=8c7f58c6ed967d328aa4b4d13b028c25026f505e9438e4dcc9fc34ab19dd5330";
  expect(verify(header)).toMatchObject({ verified: true });
  expect(ours).toBe(header);
});

test("what the SDK signs verifies here, and what is signed here verifies there", async () => {
  const theirs = await SignatureValidator.createSignature(body.toString(), secret);
  expect(verify(`sha256=${theirs}`)).toMatchObject({ verified: true });
  expect(await SignatureValidator.validate(body.toString(), secret, ours)).toBe(true);
});

test("two signatures joined by Node verify while a secret rolls, not in the SDK", async () => {
  const joined = `sha256=${"0".repeat(64)}, ${ours}`;
  expect(verify(joined)).toMatchObject({ verified: true });
  await expect(SignatureValidator.validate(body.toString(), secret, joined)).rejects.toThrow();
  // Where there is none, it says false instead of throwing.
  expect(await SignatureValidator.validate(body.toString(), secret, undefined)).toBe(false);
});

test.each([
  ["no header", undefined, "header-missing"],
  ["an empty header", "", "header-missing"],
  ["no prefix", ours.slice(7), "header-malformed"],
  ["a truncated signature", ours.slice(0, -1), "header-malformed"],
  ["capitals", ours.toUpperCase(), "header-malformed"],
  ["one good and one that is none", `${ours}, x`, "header-malformed"],
  ["a hundred", Array(100).fill(ours).join(", "), "header-malformed"],
  ["another one", `sha256=${"0".repeat(64)}`, "signature-mismatch"],
])("refuses: %s", (_, header, rejection) => {
  expect(verify(header)).toEqual({ verified: false, rejection });
});

test.each([
  ["id=tr_5B8cwPMGnU6qLbRvo7qEZo", true],
  ["id=tr_1&id=tr_2", false],
  ["id=", false],
  ["id=tr_1%00", false],
  ["id=../v2/methods", false],
  [`id=tr_${"a".repeat(200)}`, false],
  ['{"id":"tr_1"}', false],
])("a classic webhook says one id and nothing else: %s", (text, verified) => {
  const request = { body: Buffer.from(text), header: () => undefined };
  expect(classic.verify(request, { keys: [], now, toleranceMs: 1 }).verified).toBe(verified);
});

test("a classic webhook attests nothing, and needs somebody to ask", () => {
  const request = { body: Buffer.from("id=tr_1"), header: () => undefined };
  expect(classic.identify(request)).toEqual({
    eventId: "",
    eventType: "",
    unsignedEventId: "tr_1",
  });
  expect(createMollie(create(MollieConfigSchema, { classic: true }))).toEqual({
    problems: ["fetch_back is missing: classic webhooks only point at it"],
  });
});

function verify(header: string | undefined) {
  const request = { body, header: () => header };
  const keys = [{ bytes: key, fingerprint: fingerprintOf(key) }];
  return provider.verify(request, { keys, now, toleranceMs: 300_000 });
}
