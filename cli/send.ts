// `bursar send`: one webhook, signed as its provider signs it, to the gateway;
// the answer, and how fast it came.

import { readFileSync } from "node:fs";
import { openSender } from "#dev/provider.ts";
import { type Asked, samples } from "#dev/sample-events.ts";
import { stripeId } from "#dev/stripe-events.ts";
import type { Endpoint } from "../webhook-gateway/endpoints.ts";
import type { Signed } from "../webhook-gateway/providers/provider.ts";
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
  --amount 4900    as the provider counts, in the currency's minor units
  --currency usd
  --payment pi_…   the payment it is about; a new one without it
  --id re_…        the refund, dispute or payout; a new one without it
  --body FILE      this body instead of a sample (then no type)
how it is sent:
  --event-id ID    id of the event, where it is a header; a new one without it
  --header 'N: V'  a further header; may be repeated
  --at TIME        signed as of this time
  --times N        the same webhook so often, one after the other
  --tamper         changes a byte after signing: the gateway must refuse it
  --url URL        another address than the gateway's
  --endpoints FILE the gateway's configuration (default: BURSAR_ENDPOINTS_FILE)
  --json           one {"status", "elapsedMs", "body"} a line

samples:
${sampleList()}`,

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
    const body =
      values.body === undefined ? sampleOf(endpoint, type ?? "", values) : readBytes(values.body);
    const eventId = values["event-id"] ?? stripeId("evt");
    const signed = signWith(endpoint, { body, eventId, at: readTime(values.at) });
    const sent = values.tamper ? tampered(signed) : signed;
    const base = values.url ?? `${surroundings.need("BURSAR_GATEWAY_URL")}/v1/in`;
    const request = {
      url: values.url ?? `${base}/${endpoint.endpointId}`,
      headers: { ...contentTypeOf(endpoint), ...readHeaders(values.header), ...sent.headers },
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
  { provider }: Endpoint,
  type: string,
  values: Record<"amount" | "currency", string> &
    Partial<Record<"order" | "payment" | "id", string | undefined>>,
): Buffer {
  const ofProvider = samples.get(provider.name);
  const make = ofProvider && Object.hasOwn(ofProvider, type) ? ofProvider[type] : undefined;
  if (make === undefined) {
    throw new Misuse(
      ofProvider === undefined
        ? `there are no samples of ${provider.name}: give --body`
        : `${provider.name} has no sample ${type}; there are: ${Object.keys(ofProvider).join(", ")}`,
    );
  }
  const asked: Asked = {
    amount: wholeNumber("amount", values.amount, 0, Number.MAX_SAFE_INTEGER),
    currency: readCurrency(values.currency),
    orderId: values.order,
    paymentId: values.payment,
    id: values.id,
  };
  const made = make(asked);
  return Buffer.from(typeof made === "string" ? made : JSON.stringify(made));
}

function readCurrency(text: string): string {
  if (/^[A-Za-z]{3}$/.test(text)) return text;
  throw new Misuse(`--currency must be three letters, not ${text}`);
}

function contentTypeOf({ provider }: Endpoint): Record<string, string> {
  const form = provider.contentType === "form";
  return { "content-type": form ? "application/x-www-form-urlencoded" : "application/json" };
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

/** One bit of a letter or digit somewhere in the middle, so that JSON stays JSON. */
function tampered(signed: Signed): Signed {
  const body = Buffer.from(signed.body);
  for (let at = body.length >> 1; at < body.length; at++) {
    if (!/[a-y0-8]/.test(String.fromCharCode(body[at]!))) continue;
    body[at]! ^= 1;
    return { ...signed, body };
  }
  throw new Misuse("the body has nothing to tamper with");
}

function sampleList(): string {
  return [...samples]
    .map(([provider, makers]) => {
      return `  ${provider.padEnd(12)} ${Object.keys(makers).join(`\n${" ".repeat(15)}`)}`;
    })
    .join("\n");
}
