// Makes webhooks durable: on the broker's disk, or in the spool while the broker
// cannot say so. Webhooks that arrive together share one sync. Everything the door
// knows about broker and spool is behind this function.

import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { type Broker, BrokerAbsent } from "#mesh/events/broker.ts";
import { isRefused } from "#mesh/events/publish.ts";
import { createGroupPublisher } from "#mesh/events/publish-group.ts";
import type { Log } from "#mesh/process/log.ts";
import { type Publish, publishWebhook } from "./publish-webhook.ts";
import type { Spool } from "./spool/spool.ts";

export type Stored =
  /** `duplicate`: all of it was there already. */
  | { readonly durable: true; readonly duplicate: boolean; readonly where: "broker" | "spool" }
  /** It may be stored nevertheless; the same bytes sent again are the same message. */
  | { readonly durable: false };

/** The events of one request: durable are all of them or, for all anybody can say, none. */
export type StoreWebhooks = (
  webhooks: readonly WebhookReceived[],
  options: StoreOptions,
) => Promise<Stored>;

export type StoreOptions = {
  /** Below the provider's own timeout, so that it hears 503 instead of nothing. */
  readonly deadlineMs: number;
  /**
   * Whether the spool takes what the broker does not, because the provider would not send it
   * again.
   */
  readonly spool: boolean;
};

export type WebhookStoreOptions = {
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  readonly log: Log;
  /** Left out: what the broker does not take is not durable. */
  readonly spool?: Spool | undefined;
  /** Told of every sequence that the broker acknowledged. */
  readonly onAcknowledged?: (sequence: bigint) => void;
};

/**
 * A broker that blinks is waited for. One that stays away is not: patience would only fill the
 * door.
 */
const absenceMsMax = 1_000;
/** Of a broker that does not answer, so many requests at a time find out whether it does again. */
const probesMax = 8;
/** What is left of the deadline for the spool to sync. */
const spoolShare = 0.25;
const spoolMsMax = 1_000;

export function createWebhookStore(options: WebhookStoreOptions): StoreWebhooks {
  const { broker, source, spool, onAcknowledged = () => {} } = options;
  const publishOne = createGroupPublisher(broker, { deadlineMs: 10_000 });
  const report = createFaultReport(options.log);
  const answering = createAnswering();
  const publish: Publish = async (event, on) => {
    const published = await publishOne(event, on);
    answering.heard();
    return published;
  };

  async function onBroker(
    webhooks: readonly WebhookReceived[],
    deadlineMs: number,
  ): Promise<boolean> {
    const publishing = webhooks.map((webhook) =>
      publishWebhook(publish, webhook, { source, deadlineMs }),
    );
    const outcomes = await Promise.allSettled(publishing);
    const published = outcomes.flatMap((it) => (it.status === "fulfilled" ? [it.value] : []));
    for (const { sequence } of published) onAcknowledged(sequence);
    const failed = outcomes.find((it) => it.status === "rejected");
    if (failed) throw failed.reason;
    return published.every(({ duplicate }) => duplicate);
  }

  async function inSpool(webhooks: readonly WebhookReceived[]): Promise<Stored> {
    const taken = (await spool?.append(webhooks)) ?? { durable: false };
    return taken.durable ? { ...taken, where: "spool" } : taken;
  }

  return async (webhooks, { deadlineMs, spool: wanted }) => {
    const spooled = wanted && spool !== undefined;
    const without = (why: string) => {
      if (spooled) return inSpool(webhooks);
      report(new BrokerAbsent(why));
      return { durable: false } as const;
    };
    if (broker.absentMs > absenceMsMax) {
      return without(`the broker has been away for more than ${absenceMsMax} ms`);
    }
    if (!answering.mayAsk()) return without("the broker is connected and does not answer");
    const reservedMs = spooled ? Math.min(spoolMsMax, deadlineMs * spoolShare) : 0;
    try {
      const duplicate = await onBroker(webhooks, deadlineMs - reservedMs);
      return { durable: true, duplicate, where: "broker" };
    } catch (fault) {
      // What it will never take says nothing about the broker, and would wait in the spool for
      // ever.
      if (!isRefused(fault)) answering.unheard();
      report(fault);
      return spooled && !isRefused(fault) ? inSpool(webhooks) : { durable: false };
    } finally {
      answering.asked();
    }
  };
}

/** A broker can be connected and silent: frozen, or without its streams. Any answer ends that. */
function createAnswering() {
  let silent = false;
  let asking = 0;
  return {
    mayAsk(): boolean {
      if (silent && asking >= probesMax) return false;
      asking += 1;
      return true;
    },
    asked() {
      asking -= 1;
    },
    heard() {
      silent = false;
    },
    unheard() {
      silent = true;
    },
  };
}

const reportIntervalMs = 1_000;

/** One line a second however many webhooks a fault keeps from the broker. */
function createFaultReport(log: Log): (fault: unknown) => void {
  let count = 0;
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    count += 1;
    if (performance.now() - reportedAt < reportIntervalMs) return;
    log.warn("the broker does not take webhooks; spooled or to be sent again", { count, error });
    count = 0;
    reportedAt = performance.now();
  };
}
