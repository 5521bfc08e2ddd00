// `bursar send`: one webhook, signed as its provider signs it, to the gateway;
// the answer, and how fast it came.

import { readFileSync } from "node:fs";
import { openSender } from "#dev/provider.ts";
import { makeSample, type Sample, samples, samplesOf } from "#dev/sample-events.ts";
import { type Asked, Impossible, randomId } from "#dev/samples/sample.ts";
import type { Endpoint } from "../webhook-gateway/endpoints.ts";
import type { Signed } from "../webhook-gateway/providers/provider.ts";
import { activeKeys } from "../webhook-gateway/secrets.ts";
import {
  type Command,
  type ExitCode,
  Misuse,
  printable,
  readArgs,
  say,
  sayJson,
  Unreachable,
  wholeNumber,
} from "./command.ts";
import { chooseEndpoint, endpointsFileOf, endpointsOf } from "./endpoints-file.ts";
import { readBytes, readTime, signWith } from "./sign.ts";
import { readSurroundings } from "./surroundings.ts";

const options = {
  amount: { type: "string", default: "4900" },
  currency: { type: "string", default: "usd" },
  order: { type: "string" },
  payment: { type: "string" },
  id: { type: "string" },
  "event-id": { type: "string" },
  body: { type: "string" },
  header: { type: "string", multiple: true, default: [] as string[] },
  at: { type: "string" },
  times: { type: "string", default: "1" },
  tamper: { type: "boolean", default: false },
  url: { type: "string" },
  endpoints: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

export const send: Command = {
  summary: "sign a webhook as a provider does, and post it to the gateway",
  usage: `<provider or endpoint id> <type> [options]

what it says:
  --order ord_…    our order, which comes back in the provider's metadata; none without it
  --amount 4900    in the currency's minor units, as the provider counts them
  --currency usd
  --payment pi_…   the payment it is about; a new one without it
  --id re_…        the refund, dispute or payout; a new one without it
  --body FILE      this body instead of a sample (then no type)
how it is sent:
  --event-id ID    id of the event, where it is a header; a new one without it
  --header 'N: V'  a further header; may be repeated
  --at TIME        signed as of this time
  --times N        the same webhook so often, one after the other
  --tamper         changes a signed byte after signing: the gateway must refuse it
  --url URL        another address than the gateway's
  --endpoints FILE the gateway's configuration (default: BURSAR_ENDPOINTS_FILE)
  --json           one {"status", "elapsedMs", "body"} a line

samples; where one type says several things, what follows + tells which:
${sampleList()}

Signed as the endpoint's own secret says, so what arrives is authentic, with these exceptions.
mercadopago: its signature does not cover what happened, so the gateway holds the webhook as
unconfirmed, and asks the API of Mercado Pago where the endpoint has fetch_back.
mollie, classic endpoints: nothing is signed; held and asked likewise.
paypal: only PayPal has the certificate's key, so the gateway refuses what is sent from here.
adyen: the merchant account is the endpoint's provider_account.`,

  async run(args, signal) {
    const { values, positionals } = readArgs(args, options);
    const [asked, type, ...others] = positionals;
    const wantsType = values.body === undefined;
    if (asked === undefined || others.length > 0 || (type !== undefined) !== wantsType) {
      throw new Misuse(
        "name a provider or endpoint and a type, or give --body instead of the type",
      );
    }
    const times = wholeNumber("times", values.times, 1, 10_000);
    const surroundings = readSurroundings(process.env, process.cwd());
    const file = endpointsFileOf(values.endpoints, surroundings);
    const endpoint = chooseEndpoint(endpointsOf(file, process.env), asked);
    const sample: Sample =
      values.body === undefined
        ? sampleOf(endpoint, type ?? "", values)
        : { body: readBytes(values.body), headers: {} };
    const eventId = values["event-id"] ?? randomId("evt_");
    const at = readTime(values.at);
    const signed = signWith(endpoint, { body: sample.body, eventId, at });
    const sent = values.tamper ? tampered(endpoint, signed, at) : signed;
    const door = () => `${surroundings.need("BURSAR_GATEWAY_URL")}/v1/in/${endpoint.endpointId}`;
    const request = {
      url: withQuery(values.url ?? door(), sent.query),
      headers: {
        ...contentTypeOf(endpoint, sent.body),
        ...sample.headers,
        ...readHeaders(values.header),
        ...sent.headers,
      },
      body: sent.body,
    };
    using sender = openSender({ ca: readFileSync(surroundings.need("BURSAR_CA"), "utf8") });
    if (!values.json) say(printable(Buffer.from(request.body).toString()));
    let code: ExitCode = 0;
    for (let n = 0; n < times && !signal.aborted; n++) {
      const answer = await sender.post(request.url, request).catch((error: Error) => {
        throw new Unreachable(`${request.url} does not answer: ${error.message}`);
      });
      const { status, elapsedMs } = answer;
      if (values.json) sayJson({ status, elapsedMs: Math.round(elapsedMs), body: answer.body });
      else say(`${status} in ${elapsedMs.toFixed(0)} ms ${printable(answer.body)}`);
      if (status < 200 || status >= 300) code = 1;
    }
    return code;
  },
};

function sampleOf(
  { provider, providerAccount }: Endpoint,
  type: string,
  values: Record<"amount" | "currency", string> &
    Partial<Record<"order" | "payment" | "id", string | undefined>>,
): Sample {
  const asked: Asked = {
    amount: wholeNumber("amount", values.amount, 0, Number.MAX_SAFE_INTEGER),
    currency: readCurrency(values.currency),
    account: providerAccount,
    orderId: values.order,
    paymentId: values.payment,
    id: values.id,
  };
  let sample: Sample | undefined;
  try {
    sample = makeSample(provider, type, asked);
  } catch (error) {
    if (!(error instanceof Impossible)) throw error;
    throw new Misuse(`${provider.name} could not send this: ${error.message}`);
  }
  if (sample !== undefined) return sample;
  const names = Object.keys(samplesOf(provider) ?? {}).join(", ");
  throw new Misuse(
    names === ""
      ? `there are no samples of ${provider.name}: give --body`
      : `${provider.name} has no sample ${type}; there are: ${names}`,
  );
}

function readCurrency(text: string): string {
  if (/^[A-Za-z]{3}$/.test(text)) return text;
  throw new Misuse(`--currency must be three letters, not ${text}`);
}

function contentTypeOf({ provider }: Endpoint, body: Uint8Array): Record<string, string> {
  const isJson = body[0] === 0x7b || body[0] === 0x5b;
  const form = provider.contentType === "form" || (provider.contentType === "any" && !isJson);
  return { "content-type": form ? "application/x-www-form-urlencoded" : "application/json" };
}

/** Some providers sign a part of the query, which they send along. */
function withQuery(url: string, query: string | undefined): string {
  if (query === undefined) return url;
  return `${url}${url.includes("?") ? "&" : "?"}${query}`;
}

function readHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z0-9-]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new Misuse(`--header must be 'Name: value', not ${line}`);
    }
    headers[name.toLowerCase()] = value;
  }
  return headers;
}

const tamperTriesMax = 256;

/**
 * One bit of a letter or digit from the middle on, so that JSON stays JSON: the first that the
 * signature covers, because some providers sign parts of a body only.
 */
function tampered({ provider, secrets, toleranceMs }: Endpoint, signed: Signed, at: Date): Signed {
  const { headers, query, certificate } = signed;
  const trust = { keys: activeKeys(secrets, at), now: at, toleranceMs, certificate };
  const queried = query === undefined ? {} : { query: new URLSearchParams(query) };
  const accepts = (body: Uint8Array) =>
    provider.verify({ body, header: (name) => headers[name], ...queried }, trust).verified;
  const middle = signed.body.byteLength >> 1;
  for (const index of signed.body.keys().drop(middle).take(tamperTriesMax)) {
    if (!/[a-y0-8]/.test(String.fromCharCode(signed.body[index]!))) continue;
    const body = Buffer.from(signed.body);
    body[index]! ^= 1;
    if (!accepts(body)) return { ...signed, body };
  }
  throw new Misuse(`the signature of ${provider.name} covers nothing of what --tamper can change`);
}

function sampleList(): string {
  return [...samples]
    .map(([provider, makers]) => {
      return `  ${provider.padEnd(14)} ${Object.keys(makers).join(`\n${" ".repeat(17)}`)}`;
    })
    .join("\n");
}
