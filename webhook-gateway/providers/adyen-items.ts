// The items of Adyen's payment webhooks and what is signed of each: eight fields, joined by `:`
// without a rule for a `:` inside them. So only one of them may hold one, or fields could be
// shifted into each other and keep their signature; the others must look as Adyen writes them.

import { type Json, jsonMember, scanJson } from "#mesh/rpc/json.ts";
import { itemSlices, memberSlice } from "./json-slices.ts";
import { decodeBase64 } from "./signature.ts";

/** In the order in which they are signed. */
export type AdyenItem = {
  readonly pspReference: string;
  readonly originalReference: string;
  readonly merchantAccountCode: string;
  readonly merchantReference: string;
  readonly value: string;
  readonly currency: string;
  readonly eventCode: string;
  readonly success: string;
  readonly signature: Buffer;
};

const itemsMax = 100;

/** The exact bytes of every `NotificationRequestItem`; undefined when the body is no such list. */
export function adyenItemSlices(body: Uint8Array): readonly Uint8Array[] | undefined {
  const scan = scanJson(body);
  if (!scan.ok || scan.duplicates.length > 0) return undefined;
  const list = memberSlice(body, "notificationItems");
  const wrapped = list && itemSlices(list);
  if (!wrapped || wrapped.length === 0 || wrapped.length > itemsMax) return undefined;
  const items = wrapped.map((item) => memberSlice(item, "NotificationRequestItem"));
  return items.every((item) => item !== undefined) ? items : undefined;
}

/** References, of which those of reports are names of files. */
const reference = /^[A-Za-z0-9_.-]{1,80}$/;
const patterns: Record<Exclude<keyof AdyenItem, "signature">, RegExp> = {
  pspReference: reference,
  originalReference: /^[A-Za-z0-9_.-]{0,80}$/,
  merchantAccountCode: reference,
  // A backslash would make `A:1`, escaped as some documents say, and `A\:1` alike.
  merchantReference: /^[^\\\p{Cc}]{0,255}$/u,
  value: /^-?(0|[1-9][0-9]{0,15})$/,
  currency: /^[A-Z]{3}$/,
  eventCode: /^[A-Z][A-Z0-9_]{0,63}$/,
  success: /^(true|false)$/,
};

/**
 * Undefined unless every signed field is as Adyen writes it: nothing else is signed
 * unambiguously.
 */
export function readAdyenItem(slice: Uint8Array): AdyenItem | undefined {
  const scan = scanJson(slice);
  if (!scan.ok || scan.value.kind !== "object") return undefined;
  const root = scan.value;
  const amount = jsonMember(root, "amount");
  const value = jsonMember(amount, "value");
  const written = jsonMember(jsonMember(root, "additionalData"), "hmacSignature");
  const signature = written?.kind === "string" ? decodeBase64(written.value) : undefined;
  const item = {
    pspReference: textOf(root, "pspReference"),
    originalReference: textOf(root, "originalReference"),
    merchantAccountCode: textOf(root, "merchantAccountCode"),
    merchantReference: textOf(root, "merchantReference"),
    value: value?.kind === "number" ? value.text : undefined,
    currency: textOf(amount, "currency"),
    eventCode: textOf(root, "eventCode"),
    success: textOf(root, "success"),
  };
  const fits = Object.entries(patterns).every(([name, pattern]) =>
    pattern.test(item[name as keyof typeof patterns] ?? ":\\"),
  );
  return fits && signature?.byteLength === 32 ? ({ ...item, signature } as AdyenItem) : undefined;
}

/** Absent counts as empty, as Adyen signs it. */
function textOf(json: Json | undefined, name: string): string | undefined {
  const value = jsonMember(json, name);
  if (value === undefined || value.kind === "null") return "";
  return value.kind === "string" ? value.value : undefined;
}

/** What may be signed: as it stands, or with `:` escaped, on which Adyen's documents differ. */
export function signedContents(item: Omit<AdyenItem, "signature">): readonly string[] {
  const { merchantReference } = item;
  const references = merchantReference.includes(":")
    ? [merchantReference, merchantReference.replaceAll(":", "\\:")]
    : [merchantReference];
  return references.map((written) =>
    [
      item.pspReference,
      item.originalReference,
      item.merchantAccountCode,
      written,
      item.value,
      item.currency,
      item.eventCode,
      item.success,
    ].join(":"),
  );
}
