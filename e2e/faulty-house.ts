// A house to break: providers' webhooks by the hundred, what each of them must become in the books
// and in access, and ways to take away what the gateway stands on.

import { readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openClients } from "#dev/clients.ts";
import { environmentOfHouse } from "#dev/environment.ts";
import { eventually } from "#dev/eventually.ts";
import { openHouse, type ProcessName } from "#dev/house.ts";
import { openSender, signAsStripe } from "#dev/provider.ts";
import { openShop, placeOrder } from "#dev/shop.ts";
import type { StripeEvent } from "#dev/stripe-events.ts";
import { actualLines, auditBooks, expectedLines } from "./audit.ts";
import type { Chance } from "./chance.ts";
import { createLife, type Life, priceMinor } from "./lives.ts";

export type FaultyHouse = Awaited<ReturnType<typeof openFaultyHouse>>;

/** What a provider is answered; undefined: nothing that could be understood. */
export type Status = number | undefined;

const lanes = 8;

export async function openFaultyHouse(folder: string, chance: Chance) {
  await using stack = new AsyncDisposableStack();
  const house = stack.use(await openHouse({ folder, logLevel: "info" }));
  const clients = stack.use(openClients(house));
  const ca = readFileSync(house.provision.tls.dev.caFile, "utf8");
  const sender = stack.use(openSender({ ca, timeoutMs: 12_000, connectionsMax: 64 }));
  const prices = [{ amountMinor: BigInt(priceMinor), currencyCode: "USD" }];
  const shop = await openShop(clients, { slug: "faults", title: "Faults", prices });
  const all: Life[] = [];
  const url = environmentOfHouse(house)["BURSAR_STRIPE_URL"]!;
  const { secret } = house.provision.endpoints.stripe;
  const opened = stack.move();

  const post = async (event: StripeEvent, how: Sending = {}): Promise<Status> => {
    const signed = signAsStripe(event, how.secret ?? secret, how.at);
    return (await sender.post(how.url ?? url, signed).catch(() => undefined))?.status;
  };

  return {
    house,
    clients,
    url,
    post,
    async newLives(count: number): Promise<Life[]> {
      const lives: Life[] = [];
      for (let n = 0; n < count; n += 1) {
        const learnerId = `learner-${all.length + n}`;
        const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
        lives.push(createLife(chance, { learnerId, orderId }));
      }
      all.push(...lives);
      return lives;
    },
    /** Each once, several at a time; the answers in the order of the events. */
    async postAll(events: readonly StripeEvent[], how: Sending = {}): Promise<Status[]> {
      const statuses: Status[] = [];
      let next = 0;
      const lane = async () => {
        for (let n = next++; n < events.length; n = next++) {
          statuses[n] = await post(events[n]!, how);
          if (how.pauseMs) await sleep(how.pauseMs);
        }
      };
      await Promise.all(Array.from({ length: how.lanes ?? lanes }, lane));
      return statuses;
    },
    /** As a provider does, until each is acknowledged. Returns how many it had to send again. */
    async postUntilAcked(events: readonly StripeEvent[]): Promise<number> {
      const waiting = [...events];
      let again = 0;
      const lane = async () => {
        for (let event = waiting.shift(); event; event = waiting.shift()) {
          const status = await post(event);
          if (status === 200) continue;
          // A provider must never be told that a good webhook is bad.
          expect([503, undefined]).toContain(status);
          again += 1;
          waiting.push(event);
          await sleep(100);
        }
      };
      await Promise.all(Array.from({ length: lanes }, lane));
      return again;
    },
    /** The books and access say what these lives mean, once, and everything else is sound. */
    async expectSettled(lives: readonly Life[]): Promise<void> {
      const expected = expectedLines(lives);
      const actual = () => actualLines(clients, shop.courseId, lives);
      await eventually(async () => {
        const lines = await actual().catch(() => []);
        return lines.join("\n") === expected.join("\n") ? lines : undefined;
      }, 60_000);
      expect(await actual()).toEqual(expected);
      await auditBooks(house, clients);
    },
    /** The sum over all that these words select; 0 where nothing is counted. */
    async metric(name: string, ...words: readonly string[]): Promise<number> {
      const text = await scrape(house.urls.gatewayAdmin, house.provision.tls.dev);
      const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`));
      const chosen = lines.filter((line) => words.every((word) => line.includes(word)));
      return chosen.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    },
    /** What the gateway has logged under this message. */
    logged(message: string): Record<string, unknown>[] {
      const text = readFileSync(join(folder, "logs", "webhook-gateway.log"), "utf8");
      const lines = text.split("\n").filter((line) => line.includes(`"${message}"`));
      return lines.map((line) => JSON.parse(line));
    },
    freeze: (name: ProcessName) => freeze(house.process(name).pid!),
    /** Again whenever it comes back, until it is told to stop. */
    keepKilled(name: ProcessName) {
      house.process(name).kill("SIGKILL");
      const timer = setInterval(() => house.process(name).kill("SIGKILL"), 10);
      return { [Symbol.dispose]: () => clearInterval(timer) };
    },
    /** Kills the broker and deletes what it had stored before anybody starts it again. */
    wipeBroker(): void {
      const { pid } = house.process("nats");
      process.kill(pid!, "SIGKILL");
      // Without a turn of the event loop in between: the house could start it again.
      while (isAlive(pid!));
      rmSync(join(folder, "nats", "jetstream"), { recursive: true });
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

export type Sending = {
  /** The signature's clock. */
  readonly at?: Date;
  readonly secret?: string;
  readonly url?: string;
  readonly pauseMs?: number;
  /** How many at a time. */
  readonly lanes?: number;
};

/** A process and its children stand still until they are let go. */
function freeze(pid: number): Disposable {
  const pids = [pid, ...childrenOf(pid)];
  for (const one of pids) process.kill(one, "SIGSTOP");
  return {
    [Symbol.dispose]() {
      for (const one of pids) if (isAlive(one)) process.kill(one, "SIGCONT");
    },
  };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

type Tls = { readonly caFile: string; readonly certFile: string; readonly keyFile: string };

function scrape(url: string, { caFile, certFile, keyFile }: Tls): Promise<string> {
  const tls = {
    ca: readFileSync(caFile),
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
  };
  return new Promise((resolve, reject) => {
    const asked = request(`${url}/metrics`, { ...tls, agent: false }, async (reply) => {
      let text = "";
      for await (const chunk of reply.setEncoding("utf8")) text += chunk;
      resolve(text);
    });
    asked.once("error", reject);
    asked.end();
  });
}
