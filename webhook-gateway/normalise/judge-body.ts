// What is odd about a webhook's JSON. Whoever reads it another way, the last of
// two members or a number as a float, reads another webhook, so it is said; but
// it is stored all the same, and no reason to refuse it.

import { DeliveryFlag } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Json } from "#mesh/rpc/json.ts";
import { scanBody, tooLarge } from "./scan-body.ts";

/** In the order of their numbers. */
export function judgeBody(webhook: WebhookReceived): DeliveryFlag[] {
  if (isForm(webhook)) return [];
  const scan = scanBody(webhook.body);
  if (!scan.ok) return [flagOfProblem(scan.problem)];
  const flags: DeliveryFlag[] = [];
  if (scan.duplicates.length > 0) flags.push(DeliveryFlag.DUPLICATE_KEYS);
  if (hasUnsafeNumber(scan.value)) flags.push(DeliveryFlag.UNSAFE_NUMBERS);
  return flags;
}

/** Forms are no JSON, and not meant to be. */
export function isForm({ contentType }: WebhookReceived): boolean {
  return /^\s*application\/x-www-form-urlencoded\s*(;|$)/i.test(contentType);
}

function flagOfProblem(problem: string): DeliveryFlag {
  if (problem === tooLarge) return DeliveryFlag.TOO_LARGE;
  if (problem === "not valid UTF-8") return DeliveryFlag.INVALID_UTF8;
  return problem.startsWith("nested deeper") ? DeliveryFlag.TOO_DEEP : DeliveryFlag.NOT_JSON;
}

function hasUnsafeNumber(json: Json): boolean {
  if (json.kind === "number") return losesDigits(json.text);
  if (json.kind === "array") return json.items.some(hasUnsafeNumber);
  return json.kind === "object" && json.members.some(([, value]) => hasUnsafeNumber(value));
}

/** Fifteen digits survive a 64-bit float, whatever they are. */
const digitsSafe = 15;

/** The number is not the one that a 64-bit float writes back. */
export function losesDigits(text: string): boolean {
  if (text.length <= digitsSafe && !/e/i.test(text)) return false;
  const float = Number(text);
  return !Number.isFinite(float) || plain(text) !== plain(String(float));
}

/** Digits without zeros around them, and the power of ten that the last of them stands for. */
function plain(text: string): string {
  const [, sign, whole = "", fraction = "", power = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const digits = (whole + fraction).replace(/^0+/, "");
  const significant = digits.slice(0, endOfDigits(digits));
  if (significant === "") return "0";
  const exponent = Number(power) - fraction.length + digits.length - significant.length;
  return `${sign}${significant}e${exponent}`;
}

/** Just behind the last that is not zero. `/0+$/` starts anew at every zero of a million. */
function endOfDigits(digits: string): number {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === "0") end -= 1;
  return end;
}
