// Bodies that are too large for one message. They are stored as parts before the
// webhook that claims them; the parts' ids are made of the body, so that whoever
// stores the same body again stores nothing new. What is read back is compared with
// the hash that the webhook was verified with.

import { createHash } from "node:crypto";
import { create, fromBinary } from "@bufbuild/protobuf";
import { type BodyPart, BodyPartSchema } from "#gen/bursar/body/v1/body_pb.ts";
import {
  BodyClaimSchema,
  type WebhookReceived,
  WebhookReceivedSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { type EncodedEvent, encodeEvent } from "#mesh/events/event.ts";
import type { Published } from "#mesh/events/publish.ts";

export const bodiesStream = "WEBHOOK_BODIES";

/**
 * Above this a body goes by itself: with its headers it stays below what a broker takes at least.
 */
export const partBytesMax = 512 * 1024;
/** Parts on their way at once: what they are written into is held besides the body. */
const partsAtOnce = 4;

export function isLarge({ body }: WebhookReceived): boolean {
  return body.byteLength > partBytesMax;
}

/** Stores the parts, and returns the webhook without its body and with where that is. */
export async function claimBody(
  publish: (part: EncodedEvent) => Promise<Published>,
  webhook: WebhookReceived,
  source: string,
): Promise<WebhookReceived> {
  const { body } = webhook;
  const count = Math.ceil(body.byteLength / partBytesMax);
  const partSequences: bigint[] = [];
  const time = new Date();
  while (partSequences.length < count) {
    const first = partSequences.length;
    const positions = Array.from(
      { length: Math.min(partsAtOnce, count - first) },
      (_, n) => first + n,
    );
    const stored = await Promise.all(
      positions.map((position) => {
        const bytes = body.subarray(position * partBytesMax, (position + 1) * partBytesMax);
        const part = { partId: partIdOf(webhook, position), bytes };
        return publish(encodeEvent(BodyPartSchema, part, { source, time }));
      }),
    );
    partSequences.push(...stored.map(({ sequence }) => sequence));
  }
  return create(WebhookReceivedSchema, {
    ...webhook,
    body: new Uint8Array(),
    bodyClaim: create(BodyClaimSchema, { bodyBytes: BigInt(body.byteLength), partSequences }),
  });
}

/**
 * The exact bytes that were received; undefined when the stream has let some of them go, or was
 * wiped. Throws a fault while the broker cannot be asked.
 */
export async function readBody(
  broker: Broker,
  webhook: WebhookReceived,
): Promise<Uint8Array | undefined> {
  const { body, bodyClaim, bodySha256 } = webhook;
  if (bodyClaim === undefined) return body;
  const hash = createHash("sha256");
  const parts: Uint8Array[] = [];
  let length = 0;
  for (const [position, sequence] of bodyClaim.partSequences.entries()) {
    const part = await readPart(broker, sequence);
    if (part?.partId !== partIdOf(webhook, position)) return undefined;
    hash.update(part.bytes);
    length += part.bytes.byteLength;
    parts.push(part.bytes);
  }
  const isWhole = BigInt(length) === bodyClaim.bodyBytes;
  return isWhole && hash.digest().equals(bodySha256) ? Buffer.concat(parts, length) : undefined;
}

/** The webhook as it was received; undefined when its body is gone. */
export async function withBody(
  broker: Broker,
  webhook: WebhookReceived,
): Promise<WebhookReceived | undefined> {
  if (webhook.bodyClaim === undefined) return webhook;
  const body = await readBody(broker, webhook);
  return body && create(WebhookReceivedSchema, { ...webhook, body });
}

async function readPart(broker: Broker, sequence: bigint): Promise<BodyPart | undefined> {
  const manager = await broker.jsm();
  const stored = await manager.streams.getMessage(bodiesStream, { seq: Number(sequence) });
  if (stored?.subject !== BodyPartSchema.typeName) return undefined;
  return fromBinary(BodyPartSchema, stored.data);
}

function partIdOf({ bodySha256 }: WebhookReceived, position: number): string {
  return `${Buffer.from(bodySha256).toString("hex")}-${position}`;
}
