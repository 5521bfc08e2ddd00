import { createRequire } from "node:module";
import { sign, verify } from "@octokit/webhooks-methods";
import { expect, test } from "vitest";
import { requestOf, verifyWith } from "../testing/requests.ts";
import { github } from "./github.ts";

const secret = "It's a Secret to Everybody";
const digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const header = "x-hub-signature-256";
const check = (body: Uint8Array | string, value?: string) =>
  verifyWith(github, secret, body, { [header]: value });

test("GitHub's own vector verifies", () => {
  expect(check("Hello, World!", `sha256=${digest}`)).toMatchObject({
    verified: true,
    signedTime: undefined,
  });
});

test("what the library signs of every example verifies here, and the other way round", async () => {
  const examples = createRequire(import.meta.url)("@octokit/webhooks-examples") as {
    examples: unknown[];
  }[];
  const payloads = examples.flatMap((each) => each.examples.slice(0, 1));
  expect(payloads.length).toBeGreaterThan(50);
  for (const payload of payloads) {
    const body = JSON.stringify(payload);
    const theirs = await sign(secret, body);
    expect(check(body, theirs)).toMatchObject({ verified: true });
    const key = Buffer.from(secret);
    const ours = github.sign({ key, body: Buffer.from(body), now: new Date(), eventId: "1" })!;
    expect(await verify(secret, body, ours.headers[header]!)).toBe(true);
  }
});

test("the library verifies text: bodies of other bytes share a signature there, not here", async () => {
  const [written, changed] = [Buffer.from([0x22, 0xff]), Buffer.from([0x22, 0xfe])];
  const theirs = await sign(secret, written.toString());
  expect(await verify(secret, changed.toString(), theirs)).toBe(true);
  expect(check(changed, theirs)).toMatchObject({ verified: false });
});

test.each([
  ["no header", undefined, "header-missing"],
  ["no prefix", digest, "header-malformed"],
  ["another algorithm", `sha1=${digest.slice(0, 40)}`, "header-malformed"],
  ["a truncated digest", `sha256=${digest.slice(0, -1)}`, "header-malformed"],
  ["a digest in capitals", `sha256=${digest.toUpperCase()}`, "header-malformed"],
  ["two joined headers", `sha256=${digest}, sha256=${digest}`, "header-malformed"],
  ["a digest of something else", `sha256=${"0".repeat(64)}`, "signature-mismatch"],
])("refuses: %s", (_, value, rejection) => {
  expect(check("Hello, World!", value)).toEqual({ verified: false, rejection });
});

test("the older SHA-1 header alone is no signature", () => {
  const legacy = { "x-hub-signature": `sha1=${"0".repeat(40)}` };
  expect(verifyWith(github, secret, "{}", legacy)).toMatchObject({ rejection: "header-missing" });
});

test("event and delivery are unsigned: they identify nothing", () => {
  const headers = { "x-github-delivery": "guid", "x-github-event": "push" };
  expect(github.identify(requestOf('{"id":"x","type":"y"}', headers))).toEqual({
    eventId: "",
    eventType: "",
    unsignedEventId: "guid",
    unsignedEventType: "push",
  });
});

test.each(["", "short", " 0123456789abcdef", "0123456789abcdef\n"])(
  "a secret that cannot be right is refused: %j",
  (unfit) => {
    expect(github.parseKey(unfit)).toHaveProperty("unusable");
  },
);
