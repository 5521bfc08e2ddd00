// What the gateway knows about a provider: how it signs, and how its requests are
// recognised. A provider is pure: it sees the bytes, the headers, the keys and the
// time it is given, and nothing else.

import type { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";

export type Provider = {
  /** First part of every id that comes from it; stable, never renamed. */
  readonly name: "stripe" | "standard" | "generic";
  readonly scheme: string;
  readonly algorithm: string;
  /** What a valid signature attests. */
  readonly coverage: Exclude<Coverage, 0>;
  /** Headers that decide, in lower case. Each may be sent at most once, and is kept. */
  readonly signatureHeaders: readonly string[];
  /** The key inside a configured secret, or what is wrong with the secret, without repeating it. */
  parseKey(secret: string): Uint8Array | Unusable;
  /** Signs as the provider does: for the self-test, for tests and for the demo. */
  sign(signing: Signing): Readonly<Record<string, string>>;
  verify(request: SignedRequest, trust: Trust): Verified | Rejected;
  /** Reads id and type of the event, from signed material only. */
  identify(request: SignedRequest): Identity;
};

export type Unusable = { readonly unusable: string };

export type Signing = {
  readonly key: Uint8Array;
  readonly body: Uint8Array;
  readonly now: Date;
  readonly eventId: string;
};

export type SignedRequest = {
  readonly body: Uint8Array;
  /** Value of a header by its name in lower case. */
  header(name: string): string | undefined;
};

export type Trust = {
  /** Keys that are active now. */
  readonly keys: readonly Key[];
  readonly now: Date;
  readonly toleranceMs: number;
};

export type Key = {
  readonly bytes: Uint8Array;
  /** First 16 hex digits of the SHA-256 of the bytes. */
  readonly fingerprint: string;
};

export type Verified = {
  readonly verified: true;
  readonly key: Key;
  /** Undefined when the scheme signs no time. */
  readonly signedTime: Date | undefined;
};

/** Why a request is refused: for metrics and debug logs, never for the sender. */
export const rejections = [
  "header-missing",
  "header-malformed",
  "timestamp-malformed",
  "timestamp-too-old",
  "timestamp-too-new",
  "signature-mismatch",
] as const;
export type Rejection = (typeof rejections)[number];
export type Rejected = { readonly verified: false; readonly rejection: Rejection };

export type Identity = {
  /** Empty when the request names none. */
  readonly eventId: string;
  /** Empty when the body cannot be read. */
  readonly eventType: string;
};

export function rejected(rejection: Rejection): Rejected {
  return { verified: false, rejection };
}
