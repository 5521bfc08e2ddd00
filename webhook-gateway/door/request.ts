// What the door reads of a request's head: the endpoint in its path, the headers
// that matter, and how the body is written.

import type { ContentType } from "../providers/provider.ts";

const target = /^\/v1\/in\/([A-Za-z0-9_-]{8,64})(?:\?([!-~]{0,4096}))?$/;

export type Target = {
  readonly endpointId: string;
  /** Behind the question mark; undefined without one. */
  readonly query: string | undefined;
};

/**
 * What a request target means. Only the one form is known: no percent-encoding, no absolute form,
 * so that no two spellings mean one endpoint; whether a query may follow is the provider's to say.
 */
export function readTarget(text: string | undefined): Target | undefined {
  const found = target.exec(text ?? "");
  return found ? { endpointId: found[1]!, query: found[2] } : undefined;
}

export type Head = {
  /** Of those that are asked for, by its name in lower case. */
  header(name: string): string | undefined;
  /** One that must be there once was sent twice: which one counts would be a guess. */
  readonly duplicated: boolean;
  /** Those that were asked for, as they were sent. */
  readonly sent: readonly { readonly name: string; readonly value: string }[];
};

/** Names in lower case. */
export type WantedHeaders = {
  readonly signatureHeaders: readonly string[];
  readonly repeatedHeaders?: readonly string[];
  readonly unsignedHeaders?: readonly string[];
};

/** As many as an event carries. Signature headers come once, so that these are the others. */
const sentMax = 64;

export function readHead(rawHeaders: readonly string[], wanted: WantedHeaders): Head {
  const { signatureHeaders, repeatedHeaders, unsignedHeaders } = wanted;
  const values = new Map<string, string | undefined>();
  const sent: { name: string; value: string }[] = [];
  let duplicated = false;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    const signed = signatureHeaders.includes(name);
    if (!signed && !unsignedHeaders?.includes(name)) continue;
    const value = rawHeaders[at + 1]!;
    if (sent.length < sentMax) sent.push({ name: rawHeaders[at]!, value });
    if (!values.has(name)) {
      values.set(name, value);
    } else if (repeatedHeaders?.includes(name)) {
      values.set(name, `${values.get(name)}, ${value}`);
    } else {
      duplicated ||= signed;
      // An unsigned one that contradicts itself says nothing.
      values.set(name, undefined);
    }
  }
  return { header: (name) => values.get(name), duplicated, sent };
}

const jsonType = /^application\/(json|[a-z0-9.+-]{1,60}\+json)[ \t]*(;|$)/i;

/** A missing type is accepted: the body says for itself whether it is JSON. */
export function isJsonType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === "") return true;
  return contentType.length <= 255 && jsonType.test(contentType);
}

const formType = /^application\/x-www-form-urlencoded[ \t]*(;|$)/i;

export function isTypeOf(wanted: ContentType, contentType: string | undefined): boolean {
  if (wanted === "any" || contentType === undefined || contentType === "") return true;
  if (wanted === "json") return isJsonType(contentType);
  return contentType.length <= 255 && formType.test(contentType);
}

export type Encoding = "identity" | "gzip";

/** Undefined when it is none that is known here. */
export function readEncoding(contentEncoding: string | undefined): Encoding | undefined {
  if (contentEncoding === undefined) return "identity";
  const name = contentEncoding.trim().toLowerCase();
  if (name === "" || name === "identity") return "identity";
  return name === "gzip" ? name : undefined;
}
