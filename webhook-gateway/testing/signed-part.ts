// What of a request its signature covers, as text: two requests with the same one
// say the same as far as anything is signed. Written from the schemes' documents,
// not from the adapters, so that one proves the other.

import { crc32 } from "node:zlib";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Provider } from "../providers/provider.ts";

export function signedPart(
  provider: Provider,
  body: Buffer,
  webhooks: readonly WebhookReceived[],
): string {
  const identities = webhooks.map(({ webhookId, eventId, eventType, verification }) => [
    webhookId,
    eventId,
    eventType,
    Number(verification?.signedTime?.seconds ?? 0),
  ]);
  const [{ eventId, verification } = {}] = webhooks;
  switch (provider.coverage) {
    case Coverage.LISTED_FIELDS:
      return JSON.stringify(webhooks.map((webhook) => listedFields(provider, webhook)));
    case Coverage.URL_PARAMETERS:
      return formContent(body);
    case Coverage.ID_TIME_CHECKSUM:
      return JSON.stringify([crc32(body), eventId, Number(verification?.signedTime?.seconds)]);
    case Coverage.ID_TIME:
      // Ids are signed in small letters, whatever they are sent in.
      return JSON.stringify([eventId?.toLowerCase(), Number(verification?.signedTime?.seconds)]);
    case Coverage.NOTHING:
      return "";
    default: {
      // The form around it is how it travels; its last line feed is signed, sent or not.
      const form = new URLSearchParams(body.toString("latin1"));
      const braintree = provider.name === "braintree";
      const payload = braintree
        ? form.get("bt_payload")?.replace(/\n$/, "")
        : body.toString("latin1");
      return JSON.stringify([payload, identities]);
    }
  }
}

function listedFields(provider: Provider, { body, eventId, eventType }: WebhookReceived) {
  const item = JSON.parse(Buffer.from(body).toString()) as Record<string, unknown>;
  const inner = (item["NotificationRequestItem"] ?? item) as Record<string, unknown>;
  const values = (provider.signedFields ?? []).map((path) =>
    path
      .split(".")
      .reduce<unknown>((value, name) => (value as Record<string, unknown>)?.[name], inner),
  );
  return [eventId, eventType, ...values.map((value) => (value === undefined ? "" : String(value)))];
}

/** Names and values in order, without what stands between them. */
function formContent(body: Buffer): string {
  const text = body.toString("latin1");
  if (text.startsWith("{")) return text;
  const pairs = [
    ...new Map([...new URLSearchParams(text)].map(([n, v]) => [`${n}\0${v}`, [n, v]])).values(),
  ];
  return pairs
    .sort(([a = "", c = ""], [b = "", d = ""]) => (a < b || (a === b && c < d) ? -1 : 1))
    .flat()
    .join("");
}
