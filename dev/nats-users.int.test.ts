import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AckPolicy } from "@nats-io/jetstream";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Broker, openBroker } from "#mesh/events/broker.ts";
import { isForbidden } from "#mesh/events/broker-refusals.ts";
import { NotDurable, publish } from "#mesh/events/publish.ts";
import { publishAll } from "#mesh/events/publish-group.ts";
import { identitiesOf, inboxPrefixOf } from "#mesh/identity/nats-permissions.ts";
import { eventPolicy } from "#mesh/policy/policy.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { encodedPayment } from "#mesh/testing/payments.ts";
import { declareStreams, keepStreamsDeclared } from "./declared-streams.ts";
import { allEvents } from "./events.ts";
import { type NatsServer, startNatsServer } from "./nats-server.ts";
import { natsUsers, operatorUser } from "./nats-users.ts";
import { ownServices } from "./services.ts";

const events = await allEvents();
const identities = identitiesOf(events);
const streams = [...new Set(events.map((event) => eventPolicy(event).stream))];
const durableOf = (identity: string, stream: string) => {
  return `${ownServices.find(({ name }) => name === identity)?.durable ?? identity}-${stream}`;
};

const folder = mkdtempSync(join(tmpdir(), "bursar-users-"));
const newcomer = { name: "newcomer", main: "", schema: "newcomer" };
const services = [...ownServices, newcomer];
const users = natsUsers({ events, services, passwordOf: (user) => `of-${user}` });
const accounts = [{ name: "BURSAR", users }];
let server: NatsServer;
const brokers = new Map<string, Broker & AsyncDisposable>();
const logs: Record<string, unknown>[] = [];

beforeAll(async () => {
  server = await startNatsServer({ dataDir: join(folder, "nats"), accounts });
  await declareStreams({ url: urlOf(operatorUser), events, streamBytesMax: 64 * 1024 ** 2 });
  for (const identity of [operatorUser, ...identities]) {
    brokers.set(identity, await connected(identity));
  }
});
afterAll(async () => {
  for (const broker of brokers.values()) await broker[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test.each(identities)("%s publishes the events that name it as a producer", async (identity) => {
  const js = brokerOf(identity).js();
  const allowed = [];
  for (const { typeName } of events) {
    if ((await outcome(() => js.publish(typeName, "x"))) === "done") allowed.push(typeName);
  }
  const produced = events.filter((event) => eventPolicy(event).producers.includes(identity));
  expect(allowed).toEqual(produced.map(({ typeName }) => typeName));
});

test.each(identities.flatMap((identity) => streams.map((stream) => [identity, stream] as const)))(
  "%s reads %s only as a consumer of it",
  async (identity, stream) => {
    const isConsumer = events.some((event) => {
      const policy = eventPolicy(event);
      return policy.stream === stream && policy.consumers.includes(identity);
    });
    const expected = isConsumer ? "done" : "forbidden";
    const broker = brokerOf(identity);
    const manager = await broker.jsm();
    const durable = durableOf(identity, stream);
    const config = { durable_name: durable, ack_policy: AckPolicy.Explicit };
    const filters = events.map(({ typeName }) => typeName).filter((name) => isOn(name, stream));

    expect(await outcome(() => manager.consumers.add(stream, config))).toBe(expected);
    expect(await outcome(() => manager.consumers.info(stream, durable))).toBe(expected);
    expect(await outcome(() => manager.consumers.delete(stream, durable))).toBe(expected);
    const many = { ...config, filter_subjects: filters };
    expect(await outcome(() => manager.consumers.add(stream, many))).toBe(expected);
    expect(await outcome(() => manager.streams.getMessage(stream, { seq: 1 }))).toBe(expected);
    const taken = async () => {
      const consumer = await broker.js().consumers.get(stream, durable);
      const message = await consumer.next({ expires: 2_000 });
      if (!(await message?.ackAck())) throw new Error("the broker heard no acknowledgement");
    };
    expect(await outcome(taken)).toBe(expected);
    expect(await outcome(() => manager.consumers.delete(stream, durable))).toBe(expected);
  },
);

test("many events at once go to the stream in one batch", async () => {
  const group = ["pi_1", "pi_2", "pi_3"].map((name) => encodedPayment(name));
  const gateway = brokerOf("webhook-gateway");
  const outcomes = await publishAll(gateway, group, { deadlineMs: 5_000 });
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled"]);
});

test("a forged payment is a fault at once, said once, and not on the stream", async () => {
  const stored = async () => {
    const manager = await brokerOf(operatorUser).jsm();
    return (await manager.streams.info("PAYMENTS")).state.messages;
  };
  const before = await stored();
  logs.length = 0;
  await using cms = await connected("cms-service");
  for (const name of ["pi_forged", "pi_again"]) {
    // Were it tried until the deadline, the test would run out of time.
    const forged = publish(cms, encodedPayment(name), { deadlineMs: 600_000 });
    await expect(forged).rejects.toThrow(NotDurable);
  }
  expect(await stored()).toBe(before);
  const said = logs.filter(({ level }) => level === "error");
  expect(said).toEqual([
    expect.objectContaining({
      service: "cms-service",
      operation: "publish",
      subject: "bursar.payments.v1.PaymentSucceeded",
      message: expect.stringContaining("the broker forbids it"),
    }),
  ]);
});

test.each(identities)("%s changes no stream, its own neither", async (identity) => {
  const { streams: manager } = await brokerOf(identity).jsm();
  for (const name of streams) {
    const config = (await (await brokerOf(operatorUser).jsm()).streams.info(name)).config;
    expect(await outcome(() => manager.delete(name))).toBe("forbidden");
    expect(await outcome(() => manager.purge(name))).toBe("forbidden");
    expect(await outcome(() => manager.deleteMessage(name, 1))).toBe("forbidden");
    expect(await outcome(() => manager.add(config))).toBe("forbidden");
    const request = { timeout: 2_000 };
    const update = `$JS.API.STREAM.UPDATE.${name}`;
    const { connection } = brokerOf(identity);
    expect(await outcome(() => connection.request(update, JSON.stringify(config), request))).toBe(
      "forbidden",
    );
  }
  expect(await outcome(async () => manager.names().next())).toBe("forbidden");
});

test("a service hears its own answers, and no event past its consumer", async () => {
  const { connection } = brokerOf("cms-service");
  const others = identities.filter((identity) => identity !== "cms-service");
  const inboxes = ["_INBOX.>", ...others.map((identity) => `${inboxPrefixOf(identity)}.>`)];
  for (const subject of [...inboxes, "bursar.>", "bursar.ledger.v1.>", "$JS.>", "$SYS.>", ">"]) {
    const refused = Promise.withResolvers<Error | null>();
    connection.subscribe(subject, { callback: (error) => refused.resolve(error) });
    expect(isForbidden(await refused.promise), subject).toBe(true);
  }
});

test("who is named nowhere may connect, and nothing else", async () => {
  const url = urlOf("newcomer");
  await using newcomer = await connected("newcomer", url);
  for (const { typeName } of events) {
    expect(await outcome(() => newcomer.js().publish(typeName, "x")), typeName).toBe("forbidden");
  }
  const manager = await newcomer.jsm();
  expect(await outcome(() => manager.streams.info("CMS"))).toBe("forbidden");
});

test("the name of a durable cannot be another's in the body alone", async () => {
  const { connection } = brokerOf("cms-service");
  const durable_name = "ledger-service-PAYMENTS";
  for (const [stream_name, name] of [
    ["PAYMENTS", "cms-service-LEDGER"],
    ["LEDGER", durable_name],
  ]) {
    const config = { durable_name: name, name, ack_policy: "explicit" };
    const body = JSON.stringify({ stream_name, config });
    for (const create of ["CREATE", "DURABLE.CREATE"]) {
      const subject = `$JS.API.CONSUMER.${create}.LEDGER.cms-service-LEDGER`;
      const answer = await connection.request(subject, body, { timeout: 2_000 });
      expect(answer.json<{ error: { code: number } }>().error.code).toBe(400);
    }
  }
});

test("a stream that is lost while a house runs is declared again", async () => {
  const url = urlOf(operatorUser);
  await using _kept = await keepStreamsDeclared({ url, events, onTrouble: () => {} });
  const manager = await brokerOf(operatorUser).jsm();
  await manager.streams.delete("CMS");
  await vi.waitFor(() => manager.streams.info("CMS"), 10_000);
});

test("what a broker with one user kept is there for the users of the services", async () => {
  const dataDir = join(folder, "older");
  {
    const one = [{ user: "bursar", password: "old" }];
    await using old = await startNatsServer({
      dataDir,
      accounts: [{ name: "BURSAR", users: one }],
    });
    const url = old.url.replace("//", "//bursar:old@");
    await declareStreams({ url, events, streamBytesMax: 64 * 1024 ** 2 });
    await using broker = await connected("bursar", url);
    await publish(broker, encodedPayment("pi_old"), { deadlineMs: 5_000 });
  }
  await using now = await startNatsServer({ dataDir, accounts });
  const url = now.url.replace("//", "//ledger-service:of-ledger-service@");
  await using ledger = await connected("ledger-service", url);
  const manager = await ledger.jsm();
  expect((await manager.streams.info("PAYMENTS")).state.messages).toBe(1);
});

function urlOf(user: string): string {
  return server.url.replace("//", `//${user}:of-${user}@`);
}

async function connected(name: string, url = urlOf(name)) {
  const write = (line: string) => void logs.push(JSON.parse(line));
  const log = createLog({ service: name, level: "info", write });
  const broker = openBroker({ url, name, events, log, metrics: createMetrics(name) });
  expect(await broker.waitUntilConnected(10_000)).toBe(true);
  return broker;
}

function brokerOf(identity: string): Broker {
  const broker = brokers.get(identity);
  if (broker === undefined) throw new Error(`no broker for ${identity}`);
  return broker;
}

function isOn(typeName: string, stream: string): boolean {
  const event = events.find((candidate) => candidate.typeName === typeName);
  return event !== undefined && eventPolicy(event).stream === stream;
}

/** What is neither done nor forbidden fails the test. */
async function outcome(act: () => Promise<unknown>): Promise<"done" | "forbidden"> {
  try {
    await act();
    return "done";
  } catch (error) {
    if (isForbidden(error)) return "forbidden";
    throw error;
  }
}
