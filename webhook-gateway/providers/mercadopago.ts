// Mercado Pago: `x-signature: ts=<time>,v1=<hex>`, HMAC-SHA256 over
// `id:<data.id>;request-id:<x-request-id>;ts:<ts>;`, where data.id is in the query and absent parts
// are left out. The body is not signed: the payment that is named is asked for afterwards.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { identifyJson } from "./identify.ts";
import {
  ackJson,
  type Provider,
  type Rejected,
  rejected,
  type SignedRequest,
  type Trust,
} from "./provider.ts";
import * as signature from "./signature.ts";

const header = "x-signature";
const requestIdHeader = "x-request-id";

/** Without `;` and `:`, which border the values in the signed content. */
const dataId = /^[A-Za-z0-9_-]{1,64}$/;
const requestId = /^[A-Za-z0-9_.-]{0,128}$/;
const elementsMax = 4;
const retryHorizonMs = 4 * 86_400_000;

/** More digits than seconds have until the year 2286 are milliseconds. */
const secondsDigitsMax = 10;

export const mercadoPago: Provider = {
  name: "mercadopago",
  scheme: "mercadopago",
  algorithm: "hmac-sha256",
  coverage: Coverage.ID_TIME,
  signatureHeaders: [header, requestIdHeader],
  signsQuery: true,
  contentType: "json",
  ack: ackJson,
  // 22 seconds for the first try, 5 for the others, of which the last is four days later.
  patience: { timeoutMs: 5_000, retryHorizonMs },
  apiOrigin: "https://api.mercadopago.com",

  parseKey(secret) {
    if (!/^[!-~]*$/.test(secret)) return { unusable: "holds spaces or characters beyond ASCII" };
    if (secret.length < signature.keyBytesMin) {
      return { unusable: `is shorter than ${signature.keyBytesMin} characters` };
    }
    return Buffer.from(secret);
  },

  sign({ key, body, now, eventId }) {
    const ts = signature.unixSecondsOf(now);
    const id = idInBody(body) ?? "1";
    const mac = signature.hmac("sha256", key, [contentOf(id, eventId, ts)]).toString("hex");
    const headers = { [header]: `ts=${ts},v1=${mac}`, [requestIdHeader]: eventId };
    return { headers, body, query: `data.id=${id}&type=payment` };
  },

  verify(request, trust) {
    const value = request.header(header);
    if (!value) return rejected("header-missing");
    const sent = parseHeader(value);
    const id = dataIdOf(request);
    const told = request.header(requestIdHeader) ?? "";
    if (!sent || id === undefined || !requestId.test(told)) return rejected("header-malformed");
    const time = freshTime(sent.ts, trust);
    if (!(time instanceof Date)) return time;
    // Which case an id is signed in is disputed; both are the same id.
    const key = [...new Set([id, id.toLowerCase()])]
      .map((written) => [contentOf(written, told, sent.ts)])
      .map((content) => signature.matchSignatures("sha256", trust.keys, content, [sent.signature]))
      .find((matched) => matched !== undefined);
    return signature.verdict(key, time);
  },

  // The signature names what changed and this telling of it, and nothing of what the body says.
  identify(request) {
    const { eventId, eventType } = identifyJson(request.body, { id: ["id"], type: ["action"] });
    // Of the other header the signed time alone: what else stands in it the sender may change.
    const told = request.header(requestIdHeader) || parseHeader(request.header(header) ?? "")?.ts;
    // In one case, as both verify: the same telling has one identity, however its address is
    // written.
    const id = dataIdOf(request)?.toLowerCase() ?? "";
    return {
      eventId: `${id}/${told ?? ""}`,
      eventType: "",
      ...(eventId && { unsignedEventId: eventId }),
      ...(eventType && { unsignedEventType: eventType }),
    };
  },
};

/** What was signed as changed, from the event id that `identify` made of it. */
export function mercadoPagoReference(eventId: string): string | undefined {
  const [id = ""] = eventId.split("/", 1);
  return dataId.test(id) ? id : undefined;
}

/** Given twice, it is undefined: which one counts would be a guess. */
function dataIdOf({ query }: SignedRequest): string | undefined {
  const [id, ...others] = query?.getAll("data.id") ?? [];
  return id !== undefined && others.length === 0 && dataId.test(id) ? id : undefined;
}

function contentOf(id: string, told: string, ts: string): string {
  return `id:${id};${told === "" ? "" : `request-id:${told};`}ts:${ts};`;
}

/** One `ts` and one `v1`; versions that are not known are passed over. */
function parseHeader(value: string): { ts: string; signature: Buffer } | undefined {
  const elements = value.split(",", elementsMax + 1).map((element) => element.trim());
  const named = (name: string) =>
    elements.filter((it) => it.startsWith(`${name}=`)).map((it) => it.slice(name.length + 1));
  const [ts, ...otherTimes] = named("ts");
  const [v1, ...otherSignatures] = named("v1");
  const once = otherTimes.length === 0 && otherSignatures.length === 0;
  if (!once || elements.length > elementsMax || ts === undefined) return undefined;
  if (v1 === undefined || !/^[0-9a-f]{64}$/.test(v1)) return undefined;
  return { ts, signature: Buffer.from(v1, "hex") };
}

/**
 * Documented as seconds, seen as milliseconds: the number of digits tells. As old as the last try
 * may be, because nobody documents whether a try carries the time of its own or of the first one; a
 * replay in between is known by its request id.
 */
function freshTime(ts: string, { now, toleranceMs }: Trust): Date | Rejected {
  if (!/^[0-9]{9,13}$/.test(ts)) return rejected("timestamp-malformed");
  const time = new Date(ts.length > secondsDigitsMax ? Number(ts) : Number(ts) * 1000);
  const ageMs = now.getTime() - time.getTime();
  if (ageMs > retryHorizonMs + toleranceMs) return rejected("timestamp-too-old");
  return ageMs < -toleranceMs ? rejected("timestamp-too-new") : time;
}

/** For signing only: a sender of tests says in the body what it is about. */
function idInBody(body: Uint8Array): string | undefined {
  const text = Buffer.from(body).toString("latin1");
  return /"data"\s*:\s*\{\s*"id"\s*:\s*"?([A-Za-z0-9_-]{1,64})/.exec(text)?.[1];
}
