// What the desk counts. Attempts: a batch that is rolled back and handled again
// counts again.

import { DeliveryFlag } from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { Judgement } from "./judge.ts";
import { createTypeLabels } from "./type-labels.ts";

export type DeskMetrics = {
  judged(webhook: WebhookReceived, judgement: Pick<Judgement, "kind" | "flags">): void;
  renamed(webhook: WebhookReceived): void;
};

export function createDeskMetrics(metrics: Metrics): DeskMetrics {
  const labelOf = createTypeLabels();
  const normalised = metrics.counter({
    name: "bursar_gateway_normalised_total",
    help: "Webhooks the desk looked at: what they became, by the provider's type",
    labels: ["provider", "type", "outcome"],
  });
  const flagged = metrics.counter({
    name: "bursar_gateway_flagged_total",
    help: "What is odd about webhooks that were stored all the same",
    labels: ["endpoint", "flag"],
  });
  const flag = ({ endpointId: endpoint }: WebhookReceived, flag: DeliveryFlag) => {
    flagged.inc({ endpoint, flag: flagLabels[flag] ?? "unknown" });
  };
  return {
    judged(webhook, { kind, flags }) {
      const { provider, eventType } = webhook;
      normalised.inc({ provider, type: labelOf(eventType), outcome: kind });
      for (const one of flags) flag(webhook, one);
    },
    renamed: (webhook) => flag(webhook, DeliveryFlag.RENAMED),
  };
}

const flagLabels: Readonly<Record<DeliveryFlag, string>> = {
  [DeliveryFlag.UNSPECIFIED]: "unknown",
  [DeliveryFlag.DUPLICATE_KEYS]: "duplicate-keys",
  [DeliveryFlag.UNSAFE_NUMBERS]: "unsafe-numbers",
  [DeliveryFlag.TOO_DEEP]: "too-deep",
  [DeliveryFlag.INVALID_UTF8]: "invalid-utf8",
  [DeliveryFlag.NOT_JSON]: "not-json",
  [DeliveryFlag.RENAMED]: "renamed",
  [DeliveryFlag.FILTER_FAILED]: "filter-failed",
  [DeliveryFlag.TOO_LARGE]: "too-large",
};
