// Twilio: `X-Twilio-Signature` in base64, HMAC-SHA1 over the address and, of a form, its values
// sorted by name; of JSON the address carries the digest. Names and values are joined without a
// border, so the signature does not say where a value ends: nothing here goes into the books.

import { createHash } from "node:crypto";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { TwilioConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { readForm } from "./form.ts";
import { type Provider, rejected, type SignedRequest } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";
import { unsignedIdentity } from "./unsigned-identity.ts";

const header = "x-twilio-signature";
const idHeader = "i-twilio-idempotency-token";
const macBytes = 20;

/** Without `?` and `&`: a form could otherwise be passed off as the digest of a JSON body. */
const fieldName = /^[A-Za-z0-9_][A-Za-z0-9_.[\]-]{0,127}$/;
const address =
  /^(https?:\/\/)([^/?#:@[\]]+|\[[0-9a-fA-F:.]+\])(?::([0-9]{1,5}))?((?:[/?][^#]*)?)$/;

/** What Twilio's products call what happened. */
const typeNames = ["EventType", "StatusCallbackEvent", "MessageStatus", "CallStatus"];

export function createTwilio({
  notificationUrl,
}: TwilioConfig): Provider | { readonly problems: readonly string[] } {
  const urls = writingsOf(notificationUrl);
  if (!urls) {
    return {
      problems: [
        "notification_url must be the address that is entered at Twilio, without user, password " +
          "and what follows #",
      ],
    };
  }
  return {
    name: "twilio",
    scheme: "twilio",
    algorithm: "hmac-sha1",
    coverage: Coverage.URL_PARAMETERS,
    signatureHeaders: [header],
    unsignedHeaders: [idHeader],
    signsQuery: true,
    contentType: "any",
    // Of calls and messages the answer is read as instructions: there are none.
    ack: { status: 200, body: "<Response/>", contentType: "text/xml" },
    // Unless the address asks for retries, there is none that can be counted on.
    patience: { timeoutMs: 15_000, retryHorizonMs: 0 },

    parseKey(secret) {
      if (/^(AC|SK)[0-9a-f]{32}$/.test(secret)) {
        return { unusable: "is the id of an account or a key: the auth token is needed" };
      }
      return textKey(secret);
    },

    sign({ key, body, eventId }) {
      const content = contentOf(body) ?? "";
      const mac = signature.hmac("sha1", key, [urls[0] + jointOf(urls[0], body) + content]);
      const headers = { [header]: mac.toString("base64"), [idHeader]: eventId };
      return isJson(body) ? { headers, body, query: content } : { headers, body };
    },

    verify(request, trust) {
      const written = request.header(header);
      if (!written) return rejected("header-missing");
      const bytes = signature.decodeBase64(written);
      if (bytes?.byteLength !== macBytes) return rejected("header-malformed");
      const content = contentOf(request.body);
      if (content === undefined) return rejected("body-malformed");
      const [key] = urls.flatMap((url) => {
        const signed = [url + jointOf(url, request.body) + content];
        return signature.matchSignatures("sha1", trust.keys, signed, [bytes]) ?? [];
      });
      return signature.verdict(key, undefined);
    },

    identify,
  };
}

/**
 * With and without the port that goes without saying: Twilio's products differ in which they
 * sign.
 */
function writingsOf(url: string): readonly [string, ...string[]] | undefined {
  const [, scheme, host, port, rest] = address.exec(url) ?? [];
  if (scheme === undefined || !URL.canParse(url)) return undefined;
  const usual = scheme === "https://" ? "443" : "80";
  const plain = `${scheme}${host}${rest}`;
  return [url, ...[plain, `${scheme}${host}:${port ?? usual}${rest}`].filter((x) => x !== url)];
}

function isJson(body: Uint8Array): boolean {
  return body[0] === 0x7b || body[0] === 0x5b;
}

/** What is signed behind the address; undefined when the body is neither JSON nor a sound form. */
function contentOf(body: Uint8Array): string | undefined {
  if (isJson(body)) return `bodySHA256=${createHash("sha256").update(body).digest("hex")}`;
  const fields = readForm(body);
  if (!fields?.every(({ name }) => fieldName.test(name))) return undefined;
  const names = new Set(fields.map(({ name }) => name));
  // Twilio writes each name once; its library drops repeated values, so they could be added freely.
  if (names.size < fields.length) return undefined;
  return fields
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, value }) => name + value)
    .join("");
}

/** A digest is a parameter of the address; a form's values simply follow it. */
function jointOf(url: string, body: Uint8Array): string {
  if (!isJson(body)) return "";
  return url.includes("?") ? "&" : "?";
}

/**
 * Of a form what was signed identifies it, so that values shifted into other names, or sent in
 * another order, are the same event. Names and values themselves are shown, and no more.
 */
function identify({ body, header: read }: SignedRequest) {
  const fields = isJson(body) ? undefined : readForm(body);
  const type = typeNames
    .map((typeName) => fields?.find(({ name }) => name === typeName)?.value)
    .find((value) => value);
  const named = unsignedIdentity(read(idHeader), type);
  const content = fields && contentOf(body);
  if (content === undefined) return named;
  return { ...named, eventId: createHash("sha256").update(content).digest("hex") };
}
