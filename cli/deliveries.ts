// `bursar deliveries`: what providers sent and what became of it, newest first,
// or one webhook with its exact bytes.

import { create, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  type Delivery,
  DeliveryFilterSchema,
  DeliveryFlagSchema,
  DeliveryOutcome,
  DeliveryOutcomeSchema,
  DeliverySchema,
  GetDeliveryResponseSchema,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { type Command, Misuse, printable, readArgs, say, sayJson, wholeNumber } from "./command.ts";
import { withDeliveries } from "./gateway-client.ts";
import { readTime } from "./sign.ts";

/** Options that select deliveries; `replay` has the same. */
export const filterOptions = {
  endpoint: { type: "string" },
  provider: { type: "string" },
  tenant: { type: "string" },
  type: { type: "string" },
  "event-id": { type: "string" },
  outcome: { type: "string" },
  from: { type: "string" },
  before: { type: "string" },
} as const;

export const filterUsage = `  --endpoint ID  --provider NAME  --tenant ID
  --type TYPE    --event-id ID
  --outcome published|kept|dead|filtered|unconfirmed
  --from TIME  --before TIME    by when they were received`;

export const deliveries: Command = {
  summary: "list what providers sent and what became of it, or show one",
  usage: `[webhook id] [options]

${filterUsage}
  --limit N      so many at most (default: 20)
  --raw          with an id: the exact bytes of the body and nothing else
  --json         one delivery a line`,

  async run(args) {
    const { values, positionals } = readArgs(args, {
      ...filterOptions,
      limit: { type: "string", default: "20" },
      raw: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    });
    const [webhookId, ...others] = positionals;
    if (others.length > 0) throw new Misuse("name one webhook, or none");
    if (webhookId !== undefined) return show(webhookId, values);
    const pageSize = wholeNumber("limit", values.limit, 1, 500);
    const filter = readFilter(values);
    const { deliveries: page } = await withDeliveries((rpc) =>
      rpc.listDeliveries({ ...filter, pageSize }),
    );
    for (const delivery of page) {
      if (values.json) sayJson(toJson(DeliverySchema, delivery));
      else say(lineOf(delivery));
    }
    if (page.length === 0 && !values.json) say("no delivery is like that");
    return 0;
  },
};

async function show(webhookId: string, values: { raw: boolean; json: boolean }): Promise<0 | 1> {
  const found = await withDeliveries((rpc) => rpc.getDelivery({ webhookId }));
  if (values.raw) {
    if (found.webhook === undefined) throw new Misuse("the stream has let its bytes go");
    const { body, bodyClaim } = found.webhook;
    if (bodyClaim && body.byteLength === 0) {
      throw new Misuse(
        `its ${bodyClaim.bodyBytes} bytes are too many for an answer: \`bursar listen ` +
          `WEBHOOK_BODIES --all --json\` shows its parts`,
      );
    }
    process.stdout.write(body);
    return 0;
  }
  if (values.json) {
    sayJson(toJson(GetDeliveryResponseSchema, found));
    return 0;
  }
  if (found.delivery) say(lineOf(found.delivery));
  if (found.delivery?.reason) say(`  ${printable(found.delivery.reason)}`);
  for (const { name, value } of found.webhook?.headers ?? []) {
    say(`  ${printable(name)}: ${printable(value)}`);
  }
  if (found.webhook) say(printable(Buffer.from(found.webhook.body).toString()));
  return 0;
}

export function lineOf(delivery: Delivery): string {
  const { receivedTime, provider, eventType, outcome, webhookId } = delivery;
  const time = receivedTime ? timestampDate(receivedTime).toISOString() : "";
  const flags = delivery.flags
    .map((flag) => DeliveryFlagSchema.value[flag]?.localName ?? String(flag))
    .join(",");
  const made = delivery.publishedEvents.map((name) => name.split(".").at(-1)).join(", ");
  return [
    time,
    webhookId,
    `${provider}/${printable(eventType) || "(no type)"}`,
    (DeliveryOutcomeSchema.value[outcome]?.localName ?? String(outcome)).toLowerCase(),
    ...(made ? [`→ ${made}`] : []),
    ...(flags ? [`[${flags.toLowerCase()}]`] : []),
    ...(delivery.repeats > 0n ? [`came ${delivery.repeats + 1n} times`] : []),
  ].join("  ");
}

type FilterValues = { readonly [K in keyof typeof filterOptions]?: string | undefined };

export function readFilter(values: FilterValues) {
  const filter: MessageInitShape<typeof DeliveryFilterSchema> = {
    endpointId: values.endpoint ?? "",
    provider: values.provider ?? "",
    tenantId: values.tenant ?? "",
    eventType: values.type ?? "",
    eventId: values["event-id"] ?? "",
    outcome: readOutcome(values.outcome),
    ...(values.from && { receivedFrom: timestampFromDate(readTime(values.from)) }),
    ...(values.before && { receivedBefore: timestampFromDate(readTime(values.before)) }),
  };
  const { $typeName: _, $unknown: __, ...fields } = create(DeliveryFilterSchema, filter);
  return fields;
}

function readOutcome(text: string | undefined): DeliveryOutcome {
  if (text === undefined) return DeliveryOutcome.UNSPECIFIED;
  const value = DeliveryOutcome[text.toUpperCase() as keyof typeof DeliveryOutcome];
  if (value) return value;
  throw new Misuse(`--outcome must be published, kept, dead, filtered or unconfirmed, not ${text}`);
}
