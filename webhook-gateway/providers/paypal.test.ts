import { generateKeyPairSync, sign, type X509Certificate } from "node:crypto";
import { crc32 } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { PaypalConfigSchema } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createPaypal } from "./paypal.ts";
import type { Provider, Trust } from "./provider.ts";
import { createSelfSigned } from "./self-signed.ts";
import { fingerprintOf } from "./signature.ts";

const live = createPaypal(create(PaypalConfigSchema)) as Provider;
const sandbox = createPaypal(create(PaypalConfigSchema, { sandbox: true })) as Provider;
const key = Buffer.from("1JE4291016473214C");
const now = new Date("2026-03-01T12:00:00Z");
const body = Buffer.from('{"id":"WH-1","event_type":"PAYMENT.CAPTURE.COMPLETED","amount":"10.00"}');
const signed = live.sign({ key, body, now, eventId: "69cd13f0-d67a-11e5" })!;

test("a transmission signed by hand, apart from this code, verifies", () => {
  const keys = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const content = `t-1|2026-03-01T12:00:00Z|${key}|${crc32(body)}`;
  const headers = {
    ...signed.headers,
    "paypal-transmission-id": "t-1",
    "paypal-transmission-time": "2026-03-01T12:00:00Z",
    "paypal-transmission-sig": sign("sha256", Buffer.from(content), keys.privateKey).toString(
      "base64",
    ),
  };
  const certificate = createSelfSigned(keys, "by-hand");
  expect(verify({ headers, certificate })).toMatchObject({ verified: true, signedTime: now });
  expect(verify({ headers }), "another certificate").toMatchObject({ verified: false });
  expect(crc32(Buffer.from("123456789")), "the CRC's own check value").toBe(0xcbf43926);
});

test("the transmission is the event; the body's id and type are not attested", () => {
  expect(live.identify({ body, header: (name) => signed.headers[name] })).toEqual({
    eventId: "69cd13f0-d67a-11e5",
    eventType: "",
    unsignedEventId: "WH-1",
    unsignedEventType: "PAYMENT.CAPTURE.COMPLETED",
  });
});

test("another body of the same CRC verifies: that is why PayPal is asked", () => {
  const forged = withCrcOf(body, '{"id":"WH-1","event_type":"X","amount":"9999.00","pad":"', '"}');
  expect(crc32(forged)).toBe(crc32(body));
  expect(JSON.parse(forged.toString("latin1"))).toMatchObject({ amount: "9999.00" });
  expect(verify({ body: forged })).toMatchObject({ verified: true });
});

test.each<[string, string, string, string]>([
  ["no id", "paypal-transmission-id", "", "header-missing"],
  ["an id with a border in it", "paypal-transmission-id", "a|b", "header-malformed"],
  ["another algorithm", "paypal-auth-algo", "SHA1withRSA", "header-malformed"],
  ["no algorithm at all", "paypal-auth-algo", "none", "header-malformed"],
  ["a signature in no base64", "paypal-transmission-sig", "@@", "header-malformed"],
  ["a time that is none", "paypal-transmission-time", "yesterday", "timestamp-malformed"],
  ["a time with another id", "paypal-transmission-id", "other", "signature-mismatch"],
  ["a time of its own", "paypal-transmission-time", "2026-03-01T12:00:01Z", "signature-mismatch"],
  ["four days ago", "paypal-transmission-time", "2026-02-25T12:00:00Z", "timestamp-too-old"],
  ["ahead of time", "paypal-transmission-time", "2026-03-01T12:10:00Z", "timestamp-too-new"],
])("refuses: %s", (_, name, value, rejection) => {
  const headers = { ...signed.headers, [name]: value };
  expect(verify({ headers })).toEqual({ verified: false, rejection });
});

test("the webhook's id is part of what is signed, and no certificate is believed unseen", () => {
  const other = Buffer.from("2JE4291016473214C");
  expect(verify({ trust: { keys: [keyOf(other)] } })).toMatchObject({
    rejection: "signature-mismatch",
  });
  expect(verify({ trust: { certificate: undefined } })).toMatchObject({
    rejection: "certificate-unknown",
  });
  const weak = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const certificate = createSelfSigned(weak, "weak");
  expect(verify({ certificate })).toMatchObject({ rejection: "certificate-unknown" });
});

test("only PayPal's own address is taken for its certificate's", () => {
  const at = (provider: Provider, url: string) =>
    provider.certificateUrl?.({
      body,
      header: (name) => (name === "paypal-cert-url" ? url : undefined),
    });
  const path = "/v1/notifications/certs/CERT-360caa42-fca2a594-7a5bcb11";
  for (const host of ["api.paypal.com", "api-m.paypal.com"]) {
    expect(at(live, `https://${host}${path}`)).toBe(`https://${host}${path}`);
    expect(at(sandbox, `https://${host}${path}`)).toBeUndefined();
  }
  const inSandbox = `https://api.sandbox.paypal.com${path}`;
  expect(at(sandbox, inSandbox)).toBe(inSandbox);
  for (const url of [
    inSandbox,
    `http://api.paypal.com${path}`,
    `https://api.paypal.com.evil.example${path}`,
    `https://evil.example/api.paypal.com${path}`,
    `https://api.paypal.com@evil.example${path}`,
    `https://api.paypal.com:8443${path}`,
    `https://API.paypal.com${path}`,
    `https://api.paypal.com${path}?x=1`,
    `https://api.paypal.com${path}#x`,
    `https://api.paypal.com/v1/notifications/certs/../../x/CERT-1`,
    `https://api.paypal.com/v1/notifications/certs/CERT-1/../x`,
    ` https://api.paypal.com${path}`,
    `https://api.paypal.com${path}\n`,
    "",
  ]) {
    expect(at(live, url), url).toBeUndefined();
  }
});

test.each([
  ["1JE4291016473214C", undefined],
  ["short", "is not the id of a webhook: 16 to 50 letters and digits"],
  ["1JE429101647|3214C", "is not the id of a webhook: 16 to 50 letters and digits"],
])("a secret is a webhook's id: %s", (secret, unusable) => {
  expect(live.parseKey(secret)).toEqual(unusable ? { unusable } : Buffer.from(secret));
});

function keyOf(bytes: Uint8Array) {
  return { bytes, fingerprint: fingerprintOf(bytes) };
}

function verify(over: {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly certificate?: X509Certificate;
  readonly trust?: Partial<Trust>;
}) {
  const { headers = signed.headers } = over;
  return live.verify(
    { body: over.body ?? body, header: (name) => headers[name] },
    {
      keys: [keyOf(key)],
      now,
      toleranceMs: 300_000,
      certificate: over.certificate ?? signed.certificate,
      ...over.trust,
    },
  );
}

/**
 * A body between these parts with the CRC of another: of 64 characters in between each is one of
 * two, and which of them is a system of linear equations over the CRC's 32 bits.
 */
function withCrcOf(target: Uint8Array, before: string, after: string): Buffer {
  const width = 64;
  const bodyOf = (bits: bigint) => {
    const pad = Array.from({ length: width }, (_, at) => ((bits >> BigInt(at)) & 1n ? "1" : "0"));
    return Buffer.from(before + pad.join("") + after);
  };
  const zero = crc32(bodyOf(0n));
  const rows: { crc: number; bits: bigint }[] = [];
  let wanted = { crc: (crc32(target) ^ zero) >>> 0, bits: 0n };
  const reduce = (one: typeof wanted) => {
    for (const row of rows) {
      const lead = 31 - Math.clz32(row.crc);
      if ((one.crc >>> lead) & 1) {
        one = { crc: (one.crc ^ row.crc) >>> 0, bits: one.bits ^ row.bits };
      }
    }
    return one;
  };
  for (let at = 0; at < width; at++) {
    const bits = 1n << BigInt(at);
    const row = reduce({ crc: (crc32(bodyOf(bits)) ^ zero) >>> 0, bits });
    if (row.crc !== 0) rows.push(row);
  }
  wanted = reduce(wanted);
  expect(wanted.crc).toBe(0);
  return bodyOf(wanted.bits);
}
