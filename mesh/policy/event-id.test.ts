import { create, type DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { CoursePublishedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { LedgerCreatedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { compileSchemas } from "../testing/schema.ts";
import { eventIdOf } from "./event-id.ts";

test("the id of an event is made of the fields that its schema names", () => {
  const created = create(LedgerCreatedSchema, { ledgerId: "demo", ledgerSequence: 2n ** 62n });
  expect(eventIdOf(LedgerCreatedSchema, created)).toBe("demo/4611686018427387904");
  const webhook = create(WebhookReceivedSchema, { webhookId: "stripe/acct_1/evt_1" });
  expect(eventIdOf(WebhookReceivedSchema, webhook)).toBe("stripe/acct_1/evt_1");
});

test("an event whose schema names none leaves its id to the producer", () => {
  expect(eventIdOf(CoursePublishedSchema, create(CoursePublishedSchema))).toBeUndefined();
});

test("an event without what its id is made of is a bug of its producer", () => {
  const empty = create(WebhookReceivedSchema);
  expect(() => eventIdOf(WebhookReceivedSchema, empty)).toThrow(
    "bursar.webhook.v1.WebhookReceived has no id: its webhook_id is empty",
  );
});

test("two facts never share an id, and every id fits into a header", () => {
  const values = ["a", "a/b", "b", "a%2Fb", "%", "ü", "a b", "\n", "x".repeat(600), "/", "//"];
  const ids = values.flatMap((left) => values.map((right) => idOf(left, right)));
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[\x21-\x7e]{1,512}$/);
  expect(idOf("stripe", "acct_1/pi_1")).toBe("stripe/acct_1/pi_1");
  expect(idOf("acct_1/pi_1", "x")).toBe("acct_1%2Fpi_1/x");
});

const pair = pairSchema();

function idOf(left: string, right: string): string {
  return eventIdOf(pair, create(pair, { left, right } as never)) ?? "";
}

function pairSchema(): DescMessage {
  const text = `syntax = "proto3"; package x; import "bursar/mesh/v1/policy.proto";
    option (bursar.mesh.v1.stream) = {
      name: "X" retention_days: 1 message_bytes_max: 1024 duplicate_window_seconds: 1
    };
    message Pair {
      option (bursar.mesh.v1.event) = {
        stream: "X" producers: "p" version: 1 key_field: "left"
        dedupe_id_fields: ["left", "right"]
      };
      string left = 1;
      string right = 2;
    }`;
  const found = compileSchemas({ "x.proto": text }).getMessage("x.Pair");
  if (!found) throw new Error("the schema has no Pair");
  return found;
}
