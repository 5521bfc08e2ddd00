import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { isSignedPreview, readPreview, signPreview } from "./preview-token.ts";

const key = randomBytes(32);
const claims = { courseId: `crs_${"a".repeat(26)}`, revision: 7, expireSeconds: 1_800_000_000 };
const token = signPreview(key, claims);

test("a token says what it was signed for", () => {
  expect(readPreview(token)).toEqual(claims);
  expect(isSignedPreview(key, claims, token)).toBe(true);
});

test("another key has signed another token", () => {
  expect(isSignedPreview(randomBytes(32), claims, token)).toBe(false);
});

test("no other claims go with the signature", () => {
  const others = [
    { ...claims, courseId: `crs_${"b".repeat(26)}` },
    { ...claims, revision: 0 },
    { ...claims, expireSeconds: claims.expireSeconds + 1 },
  ];
  const signature = token.split(".")[1];
  for (const other of others) {
    const forged = `${signPreview(key, other).split(".")[0]}.${signature}`;
    expect(readPreview(forged)).toEqual(other);
    expect(isSignedPreview(key, other, forged)).toBe(false);
  }
});

test("no token with any one bit or letter changed is good", () => {
  const isGood = (text: string) => {
    const read = readPreview(text);
    return read !== undefined && isSignedPreview(key, read, text);
  };
  expect(isGood(token)).toBe(true);
  for (let n = 0; n < token.length; n++) {
    const letter = token[n] === "A" ? "B" : "A";
    expect(isGood(token.slice(0, n) + letter + token.slice(n + 1))).toBe(false);
    expect(isGood(token.slice(0, n) + token.slice(n + 1))).toBe(false);
  }
});

test.each(["", ".", "a.b", `${token}A`, `${token}.`, ` ${token}`, `${token}\n`, "x".repeat(512)])(
  "%j is no token",
  (text) => {
    const read = readPreview(text);
    expect(read !== undefined && isSignedPreview(key, read, text)).toBe(false);
  },
);
