// What tests of the desk look at on the broker and in the database, and how they hurry it.

import { expect } from "vitest";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { ensureStream } from "#mesh/events/streams.ts";

export const forgetMs = 150;

/** Until it is disposed, the broker knows repeated ids for a moment only. */
export async function forgetQuickly(broker: Broker): Promise<AsyncDisposable> {
  const manager = await broker.jsm();
  const streams = ["WEBHOOKS", "PAYMENTS"] as const;
  for (const name of streams) await manager.streams.update(name, { duplicate_window: 100_000_000 });
  return {
    async [Symbol.asyncDispose]() {
      for (const name of streams) await ensureStream(broker, name);
    },
  };
}

export async function settledAll(broker: Broker): Promise<void> {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("WEBHOOKS");
  await expect
    .poll(async () => {
      const info = await manager.consumers.info("WEBHOOKS", "gateway-WEBHOOKS").catch(() => null);
      return info?.ack_floor.stream_seq;
    })
    .toBe(state.last_seq);
}

export async function paymentsOf(broker: Broker, { webhookId }: WebhookReceived) {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("PAYMENTS");
  const found = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage("PAYMENTS", { seq });
    const id = message?.header.get("Nats-Msg-Id") ?? "";
    if (id.startsWith(webhookId))
      found.push({ id, subject: message!.subject, data: message!.data });
  }
  return found;
}

export async function everything(broker: Broker, pool: Pool) {
  const manager = await broker.jsm();
  const { state } = await manager.streams.info("PAYMENTS");
  const [rows] = await pool`
    select (select count(*)::int from delivery) as deliveries,
           (select count(*)::int from dead_letter) as letters,
           (select count(*)::int from inbox) as settled
  `;
  return { ...rows, payments: state.messages };
}

export async function endWaitingSessions(superUrl: string): Promise<number> {
  const sql = openPool({ url: superUrl, connectionsMax: 1 });
  const ended = await sql`
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'
  `;
  await sql.end();
  return ended.count;
}

export function intentBody(amount: string, currency = "usd"): string {
  return (
    '{"id":"evt","type":"payment_intent.succeeded","created":1700000000,"data":{"object":' +
    `{"id":"pi_1","amount_received":${amount},"currency":"${currency}"}}}`
  );
}
