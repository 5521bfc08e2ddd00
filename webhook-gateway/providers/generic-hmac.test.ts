import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  GenericHmacConfigSchema,
  HmacAlgorithm,
  KeyEncoding,
  SignatureEncoding,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createGenericHmac } from "./generic-hmac.ts";
import type { Provider } from "./provider.ts";
import { fingerprintOf } from "./signature.ts";

type Config = MessageInitShape<typeof GenericHmacConfigSchema>;
const now = new Date(1_700_000_000_000);

const github: Config = {
  signatureHeader: "X-Hub-Signature-256",
  signaturePrefix: "sha256=",
  algorithm: HmacAlgorithm.SHA256,
  signatureEncoding: SignatureEncoding.HEX,
  keyEncoding: KeyEncoding.UTF8,
};
const timed: Config = {
  signatureHeader: "X-Signature",
  algorithm: HmacAlgorithm.SHA512,
  signatureEncoding: SignatureEncoding.BASE64,
  keyEncoding: KeyEncoding.HEX,
  signedContent: "v0:{timestamp}:{id}:{body}",
  timestampHeader: "X-Time",
  idHeader: "X-Id",
};
const hexSecret = "000102030405060708090a0b0c0d0e0f";

test("GitHub's published vector verifies", () => {
  const written = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
  const verify = (value: string) =>
    verifyWith(github, "It's a Secret to Everybody", "Hello, World!", {
      "x-hub-signature-256": value,
    });
  expect(verify(written)).toMatchObject({ verified: true, signedTime: undefined });
  // .NET writes capitals, nobody writes both.
  expect(verify(`sha256=${written.slice(7).toUpperCase()}`)).toMatchObject({ verified: true });
  expect(verify(written.replace("757107ea", "757107eA"))).toMatchObject({ verified: false });
  expect(verify(written.slice(7))).toMatchObject({ rejection: "header-malformed" });
  expect(verify("sha256=")).toMatchObject({ rejection: "header-malformed" });
  expect(verify(written.slice(0, -2))).toMatchObject({ rejection: "signature-mismatch" });
  expect(verify("")).toMatchObject({ rejection: "header-missing" });
});

test("a fixed vector with time, id, SHA-512, base64 and a key in hex verifies", () => {
  const headers = {
    "x-time": "1700000000",
    "x-id": "msg-1",
    "x-signature":
      "Nuli5oVWQojY0SeO6d/40NLm5RcVcXsGoLRBB81zsLL35WfD31Y0+DjMXHjWC+sswzCAIPOjqhFngzHI6xqfuw==",
  };
  const verify = (over: object) => verifyWith(timed, hexSecret, '{"a":1}', { ...headers, ...over });
  expect(verify({})).toMatchObject({ verified: true, signedTime: now });
  expect(verify({ "x-id": "msg-2" })).toMatchObject({ rejection: "signature-mismatch" });
  expect(verify({ "x-id": "msg:1" })).toMatchObject({ rejection: "header-malformed" });
  expect(verify({ "x-time": "1700000000x" })).toMatchObject({ rejection: "timestamp-malformed" });
  expect(verify({ "x-time": "1600000000" })).toMatchObject({ rejection: "timestamp-too-old" });
  expect(verify({ "x-time": "1800000000" })).toMatchObject({ rejection: "timestamp-too-new" });
  expect(verify({ "x-time": undefined })).toMatchObject({ rejection: "header-missing" });
});

test("coverage says what is signed, and the id is read from its header only when signed", () => {
  const request = {
    body: Buffer.from('{"type":"payment.succeeded","id":"unread"}'),
    header: () => "msg-1",
  };
  expect(provider(timed).coverage).toBe(Coverage.ID_TIME_BODY);
  expect(provider(timed).identify(request).eventId).toBe("msg-1");
  expect(provider(github).coverage).toBe(Coverage.BODY);
  expect(provider(github).identify(request)).toEqual({
    eventId: "",
    eventType: "payment.succeeded",
  });
});

// One row a way in which a template leaves room for a forgery, or cannot work.
test.each<[string, Config, string]>([
  [
    "no body",
    { signedContent: "{timestamp}", timestampHeader: "X-Time" },
    "signed_content does not hold {body}",
  ],
  ["body twice", { signedContent: "{body}.{body}" }, "signed_content holds {body} twice"],
  [
    "an unknown part",
    { signedContent: "{url}.{body}" },
    "signed_content holds a brace that is not {body}, {timestamp} or {id}",
  ],
  [
    "no separator",
    { signedContent: "{id}{body}", idHeader: "X-Id" },
    "signed_content needs a separator between its parts",
  ],
  [
    "a digit beside the time",
    { signedContent: "{timestamp}0{body}", timestampHeader: "X-Time" },
    "signed_content needs a separator other than a digit beside {timestamp}",
  ],
  [
    "an unsigned time",
    { timestampHeader: "X-Time" },
    "timestamp_header is not signed: put {timestamp} into signed_content",
  ],
  ["an unsigned id", { idHeader: "X-Id" }, "id_header is not signed: put {id} into signed_content"],
  [
    "a time without its header",
    { signedContent: "{timestamp}.{body}" },
    "signed_content holds {timestamp}, but timestamp_header is empty",
  ],
  [
    "an id without its header",
    { signedContent: "{id}.{body}" },
    "signed_content holds {id}, but id_header is empty",
  ],
  [
    "one header for two things",
    { signedContent: "{id}.{body}", idHeader: "x-hub-signature-256" },
    "signature_header, timestamp_header and id_header must be different headers",
  ],
])("refuses a configuration with %s", (_, over, problem) => {
  const made = createGenericHmac(create(GenericHmacConfigSchema, { ...github, ...over }));
  expect(made).toEqual({ problems: [problem] });
});

test.each<[string, KeyEncoding, string]>([
  ["0123456789abcde", KeyEncoding.UTF8, "holds 15 bytes, must be at least 16"],
  ["", KeyEncoding.UTF8, "holds 0 bytes, must be at least 16"],
  ["00112233445566778899aabbccddee", KeyEncoding.HEX, "holds 15 bytes, must be at least 16"],
  ["not hexadecimal at all, but long", KeyEncoding.HEX, "is not hexadecimal, as key_encoding says"],
  [
    "AAAAAAAAAAAAAAAAAAAAAAA",
    KeyEncoding.BASE64,
    "is not base64 with padding, as key_encoding says",
  ],
])("a secret that cannot be right is refused: %s", (secret, keyEncoding, unusable) => {
  expect(provider({ ...github, keyEncoding }).parseKey(secret)).toEqual({ unusable });
});

function provider(config: Config): Provider {
  const made = createGenericHmac(create(GenericHmacConfigSchema, config));
  if ("problems" in made) throw new Error(made.problems.join("; "));
  return made;
}

function verifyWith(
  config: Config,
  secret: string,
  body: string,
  headers: Record<string, string | undefined>,
) {
  const generic = provider(config);
  const bytes = generic.parseKey(secret);
  if ("unusable" in bytes) throw new Error(bytes.unusable);
  return generic.verify(
    { body: Buffer.from(body), header: (name) => headers[name] },
    { keys: [{ bytes, fingerprint: fingerprintOf(bytes) }], now, toleranceMs: 300_000 },
  );
}
