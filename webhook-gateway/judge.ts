// What this release makes of a webhook: what it becomes, what is odd about it, and
// whether its endpoint lets it through. Replays judge by the same.

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { DeliveryFlag, DeliveryOutcome } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import {
  type WebhookConfirmed,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Verdict } from "#mesh/events/consumer-definition.ts";
import type { EndpointsSnapshot } from "./endpoints.ts";
import { contentOf } from "./normalise/content.ts";
import { judgeBody } from "./normalise/judge-body.ts";
import { normalise, normaliseConfirmed } from "./normalise/normalise.ts";
import type { Outcome, PaymentEvent } from "./normalise/outcome.ts";

export type Judgement = {
  readonly kind: Outcome["kind"];
  readonly outcome: DeliveryOutcome;
  readonly verdict: Verdict;
  readonly events: readonly PaymentEvent[];
  /** Ascending. */
  readonly flags: readonly DeliveryFlag[];
  /** Why it was kept or given up, for people; empty when it was published. */
  readonly reason: string;
  /** What the webhook says, whatever its endpoint's filter makes of it. */
  readonly content: Uint8Array;
};

/** The configuration that is in force. */
export type InForce = { readonly current: Pick<EndpointsSnapshot, "endpoints"> };

/** The webhook must have its body: a claim is not followed here. */
export function judge(webhook: WebhookReceived, inForce: InForce): Judgement {
  return filtered(webhook, normalise(webhook), inForce);
}

/** What its provider answered takes the place of the body, for the filter too. */
export function judgeConfirmed(confirmed: WebhookConfirmed, inForce: InForce): Judgement {
  const { webhook, body } = confirmed;
  assert(webhook, "a valid WebhookConfirmed has its webhook");
  const contentType = "application/json";
  const answered = create(WebhookReceivedSchema, { ...webhook, body, contentType });
  return filtered(answered, normaliseConfirmed(confirmed), inForce);
}

/** A webhook whose body the stream has let go. */
export function judgeBodiless({ bodyClaim }: WebhookReceived): Judgement {
  const detail = `its body of ${bodyClaim?.bodyBytes} bytes is not on the stream any more`;
  const outcome: Outcome = { kind: "dead", reason: DeadLetterReason.PAYLOAD_MALFORMED, detail };
  return judgementOf(outcome, [], contentOf(outcome));
}

/** What nobody attests is not filtered by what it says, but by what its provider answers. */
function filtered(webhook: WebhookReceived, outcome: Outcome, inForce: InForce): Judgement {
  const flags = judgeBody(webhook);
  const content = contentOf(outcome);
  const filter = inForce.current.endpoints.get(webhook.endpointId)?.filter;
  if (outcome.kind === "unconfirmed" || filter === undefined) {
    return judgementOf(outcome, flags, content);
  }
  const said = filter.judge(webhook);
  if (said === "filtered") return judgementOf({ kind: "filtered" }, flags, content);
  if (said === "failed") flags.push(DeliveryFlag.FILTER_FAILED);
  return judgementOf(outcome, flags, content);
}

function judgementOf(
  outcome: Outcome,
  flags: readonly DeliveryFlag[],
  content: Uint8Array,
): Judgement {
  const { kind } = outcome;
  return {
    kind,
    outcome: wireOutcomes[kind],
    verdict: kind === "dead" ? outcome : { kind: "handled" },
    events: kind === "events" ? outcome.events : [],
    flags,
    reason: reasonOf(outcome).slice(0, reasonLengthMax),
    content,
  };
}

const wireOutcomes = {
  events: DeliveryOutcome.PUBLISHED,
  kept: DeliveryOutcome.KEPT,
  filtered: DeliveryOutcome.FILTERED,
  unconfirmed: DeliveryOutcome.UNCONFIRMED,
  dead: DeliveryOutcome.DEAD,
} as const satisfies Record<Outcome["kind"], DeliveryOutcome>;

/** As the table has it. */
const reasonLengthMax = 255;

function reasonOf(outcome: Outcome): string {
  switch (outcome.kind) {
    case "events":
      return "";
    case "kept":
      return outcome.why;
    case "filtered":
      return "the filter of its endpoint is false for it";
    case "unconfirmed":
      return "its provider has not confirmed it yet";
    case "dead":
      return outcome.detail;
  }
}
