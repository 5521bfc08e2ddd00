// Slack: `X-Slack-Signature: v0=<hex>`, HMAC-SHA256 over `v0:<unix seconds>:<body>`, keyed with the
// signing secret. Before its first event it asks for a challenge back, signed like an event.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import { decodeLowerHex } from "./body-hmac.ts";
import { identifyJson } from "./identify.ts";
import { ackJson, type Provider, rejected } from "./provider.ts";
import * as signature from "./signature.ts";
import { textKey } from "./text-key.ts";

const header = "x-slack-signature";
const timeHeader = "x-slack-request-timestamp";

export const slack: Provider = {
  name: "slack",
  scheme: "slack",
  algorithm: "hmac-sha256",
  coverage: Coverage.TIME_BODY,
  signatureHeaders: [header, timeHeader],
  unsignedHeaders: ["x-slack-retry-num", "x-slack-retry-reason"],
  contentType: "json",
  ack: ackJson,
  // Three retries: at once, after a minute, after five. Off when nearly all of an hour's fail.
  patience: {
    timeoutMs: 3_000,
    retryHorizonMs: 6 * 60_000,
    disablesAfter: { failingMs: 3_600_000 },
  },

  parseKey(secret) {
    if (/^xox|^xapp-/.test(secret)) {
      return { unusable: "is a token: the signing secret is under Basic Information" };
    }
    return textKey(secret);
  },

  sign({ key, body, now }) {
    const time = signature.unixSecondsOf(now);
    const mac = signature.hmac("sha256", key, [`v0:${time}:`, body]);
    return { headers: { [header]: `v0=${mac.toString("hex")}`, [timeHeader]: time }, body };
  },

  verify(request, trust) {
    const written = request.header(header);
    const timeText = request.header(timeHeader);
    if (!written || !timeText) return rejected("header-missing");
    const bytes = decodeLowerHex(written, "v0=");
    if (!bytes) return rejected("header-malformed");
    const time = signature.freshTime(timeText, trust);
    if (!(time instanceof Date)) return time;
    const content = [`v0:${timeText}:`, request.body];
    const key = signature.matchSignatures("sha256", trust.keys, content, [bytes]);
    return signature.verdict(key, time);
  },

  identify(request) {
    const { eventId, eventType } = identifyJson(request.body, {
      id: ["event_id"],
      type: ["event", "type"],
    });
    // What is no `event_callback`, such as `app_rate_limited`, has its type at the top.
    return { eventId, eventType: eventType || identifyJson(request.body).eventType };
  },

  /**
   * Called for authentic requests only. Printable and without markup, so that nothing is
   * reflected.
   */
  challenge({ method, body }) {
    const { eventId, eventType } = identifyJson(body, { id: ["challenge"], type: ["type"] });
    const asked = method === "POST" && eventType === "url_verification";
    if (!asked || !/^[A-Za-z0-9_.=+/-]{1,255}$/.test(eventId)) return undefined;
    return { status: 200, body: eventId, contentType: "text/plain" };
  },
};
