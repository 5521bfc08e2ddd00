import { setTimeout as sleep } from "node:timers/promises";
import { ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { type Fleet, type FleetClient, startFleet } from "../../testing/fleet.ts";

test("a rolling restart under load fails no call, whether it may be repeated or not", async () => {
  let handled = 0;
  await using fleet = await startFleet(3, {
    async answer(_place, { text }) {
      handled += 1;
      await sleep(5);
      return { text };
    },
  });
  const client = await fleet.client();
  // Without a request id a write is no call that may be repeated.
  const { answered, failed } = await underLoad(client, ["echo", "write"], () => restartAll(fleet));
  expect(failed).toEqual([]);
  // Each call once: what was sent again had not been begun.
  expect(handled).toBe(answered);
});

test("servers that end in the middle of their calls fail none that may be repeated", async () => {
  await using fleet = await startFleet(3, {
    async answer(_place, { text }) {
      await sleep(20);
      return { text };
    },
    server: () => ({ config: { drainTimeoutMs: 0 } }),
  });
  const client = await fleet.client();
  const { failed } = await underLoad(client, ["echo"], async () => {
    // Enough answered calls to pay for those that are lost.
    await sleep(500);
    await restartAll(fleet);
  });
  expect(failed).toEqual([]);
});

async function restartAll({ servers }: Fleet): Promise<void> {
  for (const server of servers) {
    await server.stop();
    await sleep(50);
    await server.start();
    await sleep(100);
  }
}

/** Sixteen callers, each with the next call as soon as it has an answer, until the work is over. */
async function underLoad(
  { rpc }: FleetClient,
  methods: readonly string[],
  work: () => Promise<void>,
): Promise<{ readonly answered: number; readonly failed: readonly string[] }> {
  const failed: string[] = [];
  let answered = 0;
  let isOver = false;
  const callers = Array.from({ length: 16 }, async (_, number) => {
    const call = rpc[methods[number % methods.length] ?? ""];
    while (!isOver) {
      try {
        await call({ text: "hi" });
        answered += 1;
      } catch (error) {
        failed.push(String(ConnectError.from(error)));
      }
    }
  });
  await work();
  isOver = true;
  await Promise.all(callers);
  return { answered, failed };
}
