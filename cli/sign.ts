// `bursar sign`: the headers a provider would send with a body, for any client.

import { readFileSync, writeFileSync } from "node:fs";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { Endpoint } from "../webhook-gateway/endpoints.ts";
import type { Signed } from "../webhook-gateway/providers/provider.ts";
import { activeKeys } from "../webhook-gateway/secrets.ts";
import { type Command, Misuse, readArgs, say, sayJson } from "./command.ts";
import { chooseEndpoint, endpointsFileOf, endpointsOf } from "./endpoints-file.ts";
import { readSurroundings } from "./surroundings.ts";

export const sign: Command = {
  summary: "sign a body as a provider does, and print the headers",
  usage: `<provider or endpoint id> [options] < body

  --endpoints FILE   the gateway's configuration (default: BURSAR_ENDPOINTS_FILE)
  --body FILE        the body (default: standard input)
  --event-id ID      id of the event, where it is a header (default: evt_sample)
  --at TIME          sign as of this time, for example 2030-01-31T12:00:00Z (default: now)
  --body-out FILE    where to write the body to send, which some providers sign inside
  --json             {"headers": {…}, "body": "<base64>", "query": "…" where one is signed}`,

  async run(args) {
    const { values, positionals } = readArgs(args, {
      endpoints: { type: "string" },
      body: { type: "string" },
      "event-id": { type: "string", default: "evt_sample" },
      at: { type: "string" },
      "body-out": { type: "string" },
      json: { type: "boolean", default: false },
    });
    const [asked, ...others] = positionals;
    if (asked === undefined || others.length > 0) throw new Misuse("name one provider or endpoint");
    const surroundings = readSurroundings(process.env, process.cwd());
    const file = endpointsFileOf(values.endpoints, surroundings);
    const endpoint = chooseEndpoint(endpointsOf(file, process.env), asked);
    const body = readBytes(values.body);
    const at = readTime(values.at);
    const signed = signWith(endpoint, { body, eventId: values["event-id"], at });
    if (values.json) {
      const encoded = Buffer.from(signed.body).toString("base64");
      const { headers, query } = signed;
      sayJson({ headers, body: encoded, ...(query !== undefined && { query }) });
      return 0;
    }
    for (const [name, value] of Object.entries(signed.headers)) say(`${name}: ${value}`);
    if (signed.query !== undefined) {
      console.error(`the signature covers a query, append it to the address: ?${signed.query}`);
    }
    const out = values["body-out"];
    if (out !== undefined) writeFileSync(out, signed.body);
    else if (!Buffer.from(signed.body).equals(body)) {
      console.error("the signature stands in the body: --body-out FILE writes the one to send");
    }
    return 0;
  },
};

/**
 * Signed with the endpoint's first key that is active at the time; as it is where nothing is
 * signed.
 */
export function signWith(
  { provider, secrets, endpointId }: Endpoint,
  { body, eventId, at }: { readonly body: Uint8Array; readonly eventId: string; readonly at: Date },
): Signed {
  const [key] = activeKeys(secrets, at);
  if (key === undefined && secrets.length > 0) {
    throw new Misuse(`no secret of endpoint ${endpointId} is active at ${at.toISOString()}`);
  }
  if (provider.coverage === Coverage.NOTHING) return { headers: {}, body };
  const signed = provider.sign({ key: key?.bytes ?? new Uint8Array(), body, now: at, eventId });
  if (signed === undefined) {
    throw new Misuse(
      `the secret of endpoint ${endpointId} only verifies: ${provider.name} signs with a key ` +
        `that is not ours`,
    );
  }
  return signed;
}

/** Of the file, or of the standard input. */
export function readBytes(path: string | undefined): Buffer {
  try {
    return readFileSync(path ?? 0);
  } catch (error) {
    throw new Misuse(
      `${path ?? "standard input"} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}

export function readTime(text: string | undefined): Date {
  if (text === undefined) return new Date();
  const time = new Date(text);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new Misuse(`--at must be a time such as 2030-01-31T12:00:00Z, not ${text}`);
}
