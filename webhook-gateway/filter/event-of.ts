// A webhook's body as CEL sees it: an object as a map, a whole number as an int
// where 64 bits hold it, any other number as a double, a form as a map of texts.

import type { CelInput } from "@bufbuild/cel";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Json } from "#mesh/rpc/json.ts";
import { isForm } from "../normalise/judge-body.ts";
import { scanBody } from "../normalise/scan-body.ts";

/** Undefined when the body cannot be read, or could be read in two ways. */
export function eventOf(webhook: WebhookReceived): CelInput | undefined {
  if (isForm(webhook)) return formOf(webhook.body);
  const scan = scanBody(webhook.body);
  return scan.ok && scan.duplicates.length === 0 ? toCel(scan.value) : undefined;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function formOf(body: Uint8Array): CelInput | undefined {
  try {
    const fields = [...new URLSearchParams(utf8.decode(body))];
    const form = new Map(fields);
    return form.size === fields.length ? form : undefined;
  } catch {
    return undefined;
  }
}

function toCel(json: Json): CelInput {
  switch (json.kind) {
    case "object":
      return new Map(json.members.map(([name, value]): [string, CelInput] => [name, toCel(value)]));
    case "array":
      return json.items.map(toCel);
    case "number":
      return numberOf(json.text);
    case "null":
      return null;
    default:
      return json.value;
  }
}

function numberOf(text: string): bigint | number {
  if (!/^-?\d{1,19}$/.test(text)) return Number(text);
  const whole = BigInt(text);
  return whole === BigInt.asIntN(64, whole) ? whole : Number(text);
}
