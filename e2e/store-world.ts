// What makes webhooks durable, apart from the door: a broker's client, a spool and its
// drain, as one process of the gateway has them. For tests of what becomes of webhooks
// when any of it fails.

import { createHash } from "node:crypto";
import { create, fromBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BodyPartSchema } from "#gen/bursar/body/v1/body_pb.ts";
import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  VerificationSchema,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { ensureStream } from "#mesh/events/streams.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { startDrain } from "../webhook-gateway/spool/drain.ts";
import { openSpool } from "../webhook-gateway/spool/spool.ts";
import { createWebhookStore } from "../webhook-gateway/store-webhook.ts";

export type StoreWorld = ReturnType<typeof openStoreWorld>;

export type StoreWorldOptions = {
  readonly url: string;
  readonly dir: string;
  /** After a PubAck, before anybody else hears of it. */
  readonly onStored?: (sequence: bigint) => void;
  /** After the PubAck of a spooled webhook, before its row is deleted. */
  readonly onDrained?: () => void;
};

const source = "webhook-gateway";

export function openStoreWorld({ url, dir, onStored, onDrained }: StoreWorldOptions) {
  const log = createLog({ service: "test", level: "silent" });
  const metrics = createMetrics("test");
  const events = [WebhookReceivedSchema, BodyPartSchema];
  const broker = openBroker({ url, name: source, events, log, metrics });
  const spool = openSpool({ dir, worker: 0, bytesMax: 256 * 1024 ** 2, log, metrics });
  const drain = startDrain({ spool, broker, source, log, onAcknowledged: () => onDrained?.() });
  const store = createWebhookStore({
    ...{ broker, source, log, spool },
    onAcknowledged: (sequence) => onStored?.(sequence),
  });
  return {
    broker,
    spool,
    store,
    async [Symbol.asyncDispose]() {
      await drain[Symbol.asyncDispose]();
      spool[Symbol.dispose]();
      await broker[Symbol.asyncDispose]();
    },
  };
}

export async function ensureStreams(broker: Broker): Promise<void> {
  await broker.waitUntilConnected(10_000);
  for (const name of broker.streams.keys()) await ensureStream(broker, name);
}

export function testWebhook(webhookId: string, bytes = 200): WebhookReceived {
  const body = Buffer.alloc(bytes, webhookId);
  return create(WebhookReceivedSchema, {
    webhookId,
    endpointId: "endpoint-1",
    provider: "stripe",
    providerAccount: "acct_demo",
    ledgerId: "main",
    body,
    bodySha256: createHash("sha256").update(body).digest(),
    verification: create(VerificationSchema, {
      scheme: "stripe",
      algorithm: "hmac-sha256",
      keyFingerprint: "0123456789abcdef",
      coverage: Coverage.TIME_BODY,
    }),
    receivedTime: timestampFromMs(1_700_000_000_000),
  });
}

/** What the stream holds, in its order. */
export async function storedWebhooks(broker: Broker): Promise<WebhookReceived[]> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("WEBHOOKS");
  const webhooks: WebhookReceived[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage("WEBHOOKS", { seq });
    if (message) webhooks.push(fromBinary(WebhookReceivedSchema, message.data));
  }
  return webhooks;
}
