// What the gateway knows about a provider: how it signs, how its requests are
// recognised, how it wants to be answered, and how long it keeps trying. A
// provider is pure: it sees the bytes, the headers, the keys and the time it is
// given, and nothing else.

import type { X509Certificate } from "node:crypto";
import type { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";

export type Provider = {
  /** First part of every id that comes from it; stable, never renamed. */
  readonly name: string;
  readonly scheme: string;
  readonly algorithm: string;
  /** What a valid signature attests. */
  readonly coverage: Exclude<Coverage, 0>;
  /** Headers that decide, in lower case. Each may be sent at most once, and is kept. */
  readonly signatureHeaders: readonly string[];
  /** Of these, those that the provider sends several times while a secret rolls; joined by `, `. */
  readonly repeatedHeaders?: readonly string[];
  /**
   * Headers that are unsigned and worth keeping, in lower case: ids and types to show, never to
   * trust.
   */
  readonly unsignedHeaders?: readonly string[];
  /** It signs parts of the query: the door lets one through, and `verify` sees it. */
  readonly signsQuery?: boolean;
  /** How bodies are written; anything else is refused with 415. */
  readonly contentType: ContentType;
  /** What it takes for an acknowledgement. */
  readonly ack: AckProfile;
  readonly patience: Patience;
  /** The key inside a configured secret, or what is wrong with the secret, without repeating it. */
  parseKey(secret: string): Uint8Array | Unusable;
  /**
   * Signs as the provider does: for the self-test, for tests and for `bursar send`. Undefined when
   * the key only verifies.
   */
  sign(signing: Signing): Signed | undefined;
  verify(request: SignedRequest, trust: Trust): Verified | Rejected;
  /**
   * Events of a verified request that carries several: exact slices of its body, each identified
   * and stored by itself. Left out: the whole body is one.
   */
  split?(request: SignedRequest): readonly Uint8Array[];
  /** Reads id and type of the event, from signed material only where there is any. */
  identify(request: SignedRequest): Identity;
  /** Answers a request that asks whether the endpoint is ours; undefined when it is none. */
  challenge?(request: ChallengeRequest, trust: Trust): AckProfile | undefined;
  /**
   * Address of the certificate that the request names as its signer's, on the provider's own
   * domain: undefined when it names none or another. The door fetches and checks it before
   * `verify`.
   */
  certificateUrl?(request: SignedRequest): string | undefined;
  /** Where its API is asked about what its signature does not attest. */
  readonly apiOrigin?: string;
  /** A body as the provider would send it, for the self-test, where plain JSON will not do. */
  readonly selfTestBody?: Uint8Array;
  /** What stands behind coverage `LISTED_FIELDS`: paths into the body, sorted. */
  readonly signedFields?: readonly string[];
};

export type ContentType = "json" | "form" | "any";

/** The exact answer; the body is ASCII. */
export type AckProfile = {
  readonly status: number;
  readonly body: string;
  readonly contentType: string;
};

/** How long a provider waits and how long it keeps trying, from its documentation. */
export type Patience = {
  /** For one answer. */
  readonly timeoutMs: number;
  /** From the first try to the last; zero when it never tries again. */
  readonly retryHorizonMs: number;
  /** When it switches the endpoint off; left out when it does not, or does not say. */
  readonly disablesAfter?: {
    /** Failures in a row. */
    readonly failures?: number;
    /** Time without a success. */
    readonly failingMs?: number;
  };
};

/** Below this horizon an outage outlives the provider's patience: webhooks go to the spool. */
export const retryHorizonMsShort = 24 * 3_600_000;

export const ackJson: AckProfile = {
  status: 200,
  body: '{"received":true}',
  contentType: "application/json",
};

export type Unusable = { readonly unusable: string };

export type Signing = {
  readonly key: Uint8Array;
  readonly body: Uint8Array;
  readonly now: Date;
  readonly eventId: string;
};

/** What to send: headers in lower case, and the body, which signing may write into. */
export type Signed = {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** To append to the address behind `?`, where a part of it is signed. */
  readonly query?: string;
  /** Certificate to trust in the self-test, where signatures are by certificate. */
  readonly certificate?: X509Certificate;
};

export type SignedRequest = {
  readonly body: Uint8Array;
  /** Value of a header by its name in lower case. */
  header(name: string): string | undefined;
  /** Only for a provider that signs parts of it. */
  readonly query?: URLSearchParams;
};

export type ChallengeRequest = SignedRequest & {
  readonly method: string;
  readonly query: URLSearchParams;
};

export type Trust = {
  /** Keys that are active now. */
  readonly keys: readonly Key[];
  readonly now: Date;
  readonly toleranceMs: number;
  /** Fetched from `certificateUrl`, its chain and its name checked. */
  readonly certificate?: X509Certificate | undefined;
};

export type Key = {
  readonly bytes: Uint8Array;
  /** First 16 hex digits of the SHA-256 of the bytes. */
  readonly fingerprint: string;
};

export type Verified = {
  readonly verified: true;
  /** Undefined when nothing is signed. */
  readonly key: Key | undefined;
  /** Undefined when the scheme signs no time. */
  readonly signedTime: Date | undefined;
  /** Where the key decides it; left out: the provider's own. */
  readonly algorithm?: string;
};

/** Why a request is refused: for metrics and debug logs, never for the sender. */
export const rejections = [
  "header-missing",
  "header-malformed",
  "timestamp-malformed",
  "timestamp-too-old",
  "timestamp-too-new",
  "body-malformed",
  "certificate-unknown",
  "account-unknown",
  "signature-mismatch",
] as const;
export type Rejection = (typeof rejections)[number];
export type Rejected = { readonly verified: false; readonly rejection: Rejection };

export type Identity = {
  /** From signed material; empty when that names none. */
  readonly eventId: string;
  /** From signed material; empty when the body cannot be read or does not say. */
  readonly eventType: string;
  /** What an unsigned header calls it; whoever replays the body can change it. */
  readonly unsignedEventId?: string;
  readonly unsignedEventType?: string;
};

export function rejected(rejection: Rejection): Rejected {
  return { verified: false, rejection };
}
