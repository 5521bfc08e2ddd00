// A preview token says what it shows and until when, signed with a key of its
// course. Who holds one holds it all: it is a secret, and no error repeats it.

import { createHmac, timingSafeEqual } from "node:crypto";

export type PreviewClaims = {
  readonly courseId: string;
  /** Zero is the draft. */
  readonly revision: number;
  readonly expireSeconds: number;
};

export const previewKeyBytes = 32;

/** So that a signature for anything else, with the same key, is none for this. */
const purpose = "bursar.cms.v1.preview";

export function signPreview(key: Uint8Array, claims: PreviewClaims): string {
  const text = textOf(claims);
  return `${Buffer.from(text).toString("base64url")}.${macOf(key, text).toString("base64url")}`;
}

/** What the token says of itself: nobody has signed for it yet. Undefined: it is none of ours. */
export function readPreview(token: string): PreviewClaims | undefined {
  const parts = /^([A-Za-z0-9_-]{1,200})\.[A-Za-z0-9_-]{43}$/.exec(token);
  const text = Buffer.from(parts?.[1] ?? "", "base64url").toString("latin1");
  const said = /^(crs_[0-9a-z]{26})\.(0|[1-9][0-9]{0,9})\.([1-9][0-9]{0,11})$/.exec(text);
  if (!said) return undefined;
  const [, courseId = "", revision, expireSeconds] = said;
  return { courseId, revision: Number(revision), expireSeconds: Number(expireSeconds) };
}

/** Takes as long for a token that is nearly right as for one that is not. */
export function isSignedPreview(key: Uint8Array, claims: PreviewClaims, token: string): boolean {
  const expected = Buffer.from(signPreview(key, claims));
  const given = Buffer.from(token);
  return expected.length === given.length && timingSafeEqual(expected, given);
}

function textOf({ courseId, revision, expireSeconds }: PreviewClaims): string {
  return `${courseId}.${revision}.${expireSeconds}`;
}

function macOf(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(`${purpose}\0${text}`).digest();
}
