import { Webhook } from "svix";
import { expect, test } from "vitest";
import { now, requestOf, verifyWith } from "../testing/requests.ts";
import { svix } from "./svix.ts";

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const body = '{"type":"payment.succeeded"}';
const library = new Webhook(secret);
const time = String(now.getTime() / 1000);
const named = (prefix: string, id = "msg_1") => ({
  [`${prefix}-id`]: id,
  [`${prefix}-timestamp`]: time,
  [`${prefix}-signature`]: library.sign(id, now, body),
});
const check = (headers: Record<string, string>, bytes: string | Uint8Array = body) =>
  verifyWith(svix, secret, bytes, headers);

test("what the library signs verifies, under svix's names and the standard's", () => {
  expect(check(named("svix"))).toMatchObject({ verified: true, signedTime: now });
  expect(check(named("webhook"))).toMatchObject({ verified: true });
});

test("what is signed here is what the library signs", () => {
  const key = svix.parseKey(secret) as Uint8Array;
  const signed = svix.sign({ key, body: Buffer.from(body), now, eventId: "msg_1" });
  expect(signed?.headers).toEqual(named("svix"));
});

test("the two families are never mixed: the library completes one from the other", () => {
  const { "svix-id": id, ...rest } = named("svix");
  const mixed = { ...rest, "webhook-id": id! };
  expect(check(mixed)).toEqual({ verified: false, rejection: "header-missing" });
  const contradicting = { ...named("webhook"), ...named("svix", "msg_2") };
  expect(check(contradicting)).toMatchObject({ verified: true });
  expect(svix.identify(requestOf(body, contradicting))).toMatchObject({ eventId: "msg_2" });
});
