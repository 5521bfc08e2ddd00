import { expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { LedgerCreatedSchema, TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { identitiesOf, natsPermissions } from "./nats-permissions.ts";

const events = [
  WebhookReceivedSchema,
  PaymentSucceededSchema,
  LedgerCreatedSchema,
  TransactionPostedSchema,
  OrderChangedSchema,
];

test("a service publishes what names it as a producer and reads what names it as a consumer", () => {
  const { publish, subscribe } = natsPermissions({ identity: "cms-service", events });
  expect(publish.allow).toEqual([
    "$JS.ACK.*.*.LEDGER.cms-service-LEDGER.>",
    "$JS.ACK.LEDGER.cms-service-LEDGER.>",
    "$JS.API.CONSUMER.CREATE.LEDGER.cms-service-LEDGER",
    "$JS.API.CONSUMER.CREATE.LEDGER.cms-service-LEDGER.>",
    "$JS.API.CONSUMER.DELETE.LEDGER.cms-service-LEDGER",
    "$JS.API.CONSUMER.DURABLE.CREATE.LEDGER.cms-service-LEDGER",
    "$JS.API.CONSUMER.INFO.LEDGER.cms-service-LEDGER",
    "$JS.API.CONSUMER.MSG.NEXT.LEDGER.cms-service-LEDGER",
    "$JS.API.STREAM.INFO.CMS",
    "$JS.API.STREAM.INFO.LEDGER",
    "$JS.API.STREAM.MSG.GET.LEDGER",
    "bursar.cms.v1.OrderChanged",
  ]);
  expect(subscribe.allow).toEqual(["_INBOX.cms-service.>"]);
});

test("a stream that a service only writes is not read by it", () => {
  const { publish } = natsPermissions({ identity: "ledger-service", events });
  const about = publish.allow.filter((subject) => /[.]LEDGER/.test(subject));
  expect(about).toEqual(["$JS.API.STREAM.INFO.LEDGER"]);
});

test("durables may have another first name than the identity", () => {
  const gateway = { identity: "webhook-gateway", events, durable: "gateway" };
  const { publish } = natsPermissions(gateway);
  expect(publish.allow).toContain("$JS.API.CONSUMER.MSG.NEXT.WEBHOOKS.gateway-WEBHOOKS");
  expect(publish.allow.filter((subject) => subject.includes("webhook-gateway"))).toEqual([]);
});

test("nobody may make, change, empty or delete a stream, nor use a wildcard for an event", () => {
  for (const identity of identitiesOf(events)) {
    const { allow } = natsPermissions({ identity, events }).publish;
    const streams = /^\$JS\.API\.STREAM\.(?!INFO\.|MSG\.GET\.)/;
    expect(allow.filter((subject) => streams.test(subject))).toEqual([]);
    expect(allow.filter((subject) => /^[^$].*[*>]/.test(subject))).toEqual([]);
  }
});

test("who is named nowhere has its inbox and nothing else", () => {
  expect(natsPermissions({ identity: "stranger", events })).toEqual({
    publish: { allow: [], deny: [">"] },
    subscribe: { allow: ["_INBOX.stranger.>"] },
  });
});
