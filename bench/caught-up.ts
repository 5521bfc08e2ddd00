// A measurement begins when nothing is left to do from the one before.

import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { eventually } from "#dev/eventually.ts";
import type { House } from "#dev/house.ts";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { silentLog } from "#mesh/testing/broker.ts";

const consumers = [
  ["WEBHOOKS", "gateway-WEBHOOKS"],
  ["PAYMENTS", "ledger-service-PAYMENTS"],
  ["LEDGER", "cms-service-LEDGER"],
] as const;

/** Until every consumer has settled what is on its stream. */
export async function untilCaughtUp(house: House): Promise<void> {
  const connection = await connect(brokerAccess({ url: house.natsUrl }, silentLog()));
  try {
    const manager = await jetstreamManager(connection);
    const isDone = async () => {
      const lags = await Promise.all(
        consumers.map(([stream, consumer]) => manager.consumers.info(stream, consumer)),
      );
      const left = lags.reduce((sum, lag) => sum + lag.num_pending + lag.num_ack_pending, 0);
      return left === 0 ? true : undefined;
    };
    if (!(await eventually(isDone, 180_000))) throw new Error("the path did not catch up in time");
  } finally {
    await connection.close();
  }
}
