import { generateKeyPairSync, sign } from "node:crypto";
import { expect, test } from "vitest";
import { keyOf, now, verifyWith } from "../testing/requests.ts";
import { standardWebhooks } from "./standard-webhooks.ts";

// No official library implements v1a: signatures are made by Node's own Ed25519 over the
// specification's content.
const { publicKey, privateKey } = generateKeyPairSync("ed25519");
const raw = publicKey.export({ format: "der", type: "spki" }).subarray(12);
const seed = privateKey.export({ format: "der", type: "pkcs8" }).subarray(16);
const secret = `whpk_${raw.toString("base64")}`;
const time = String(now.getTime() / 1000);
const body = '{"type":"payment.succeeded"}';
const mac = sign(null, Buffer.from(`msg_1.${time}.${body}`), privateKey).toString("base64");
const headers = (written: string) => ({
  "webhook-id": "msg_1",
  "webhook-timestamp": time,
  "webhook-signature": written,
});
const check = (written: string) => verifyWith(standardWebhooks, secret, body, headers(written));

test("an Ed25519 signature verifies by the public key, and says so", () => {
  expect(check(`v1a,${mac}`)).toMatchObject({ verified: true, algorithm: "ed25519" });
  expect(check(`v1,${"A".repeat(43)}= v1a,${mac}`)).toMatchObject({ verified: true });
});

test("a public key only verifies; a private one signs what its public key accepts", () => {
  const signing = { body: Buffer.from(body), now, eventId: "msg_1" };
  const ownKey = keyOf(standardWebhooks, secret);
  expect(standardWebhooks.sign({ ...signing, key: ownKey })).toBeUndefined();
  const key = keyOf(standardWebhooks, `whsk_${seed.toString("base64")}`);
  expect(standardWebhooks.sign({ ...signing, key })?.headers).toEqual(headers(`v1a,${mac}`));
});

test("no algorithm passes for another: an HMAC keyed with the public key is none", () => {
  const hmacSecret = `whsec_${raw.toString("base64")}`;
  const key = keyOf(standardWebhooks, hmacSecret);
  const forged = standardWebhooks.sign({ key, body: Buffer.from(body), now, eventId: "msg_1" })!;
  expect(check(forged.headers["webhook-signature"]!)).toMatchObject({ verified: false });
  expect(verifyWith(standardWebhooks, hmacSecret, body, headers(`v1a,${mac}`))).toMatchObject({
    verified: false,
  });
  const der = publicKey.export({ format: "der", type: "spki" }).toString("base64");
  expect(standardWebhooks.parseKey(`whsec_${der}`)).toHaveProperty("unusable");
});

test.each([
  `v1a,${mac.slice(0, -1)}`,
  `v1a,${Buffer.alloc(64).toString("base64")}`,
  Array(5).fill(`v1a,${mac}`).join(" "),
])("refuses: %s", (written) => {
  expect(check(written)).toMatchObject({ verified: false });
});

test.each([
  "whpk_",
  "whpk_AAAA",
  `whpk_${raw.toString("hex")}`,
  `whsk_${Buffer.concat([seed, Buffer.alloc(32)]).toString("base64")}`,
])("an unfit key is refused: %s", (unfit) => {
  expect(standardWebhooks.parseKey(unfit)).toHaveProperty("unusable");
});
