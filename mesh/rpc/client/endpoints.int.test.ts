import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test, vi } from "vitest";
import { createMetrics } from "../../process/metrics.ts";
import { type FleetClient, startFleet } from "../../testing/fleet.ts";
import { startNameServer } from "../../testing/name-server.ts";

test("a slow server gets the fewest calls", async () => {
  await using fleet = await startFleet(3, {
    async answer(place, { text }) {
      await sleep(place === 1 ? 100 : 5);
      return { text };
    },
  });
  const client = await fleet.client();
  await callTogether(client, 8, 400);
  const [one = 0, slow = 0, other = 0] = fleet.takeCounts();
  expect(one + slow + other).toBe(400);
  expect(slow).toBeLessThan(Math.min(one, other));
});

test("a dead server is left alone, no call fails, and it comes back when it restarts", async () => {
  await using fleet = await startFleet(3);
  const ejection = { ejectMsMin: 100, ejectMsMax: 400 };
  const client = await fleet.client({ limits: { ejection } });
  await callTogether(client, 4, 60);

  await fleet.servers[1]?.stop();
  await vi.waitFor(async () => {
    await callTogether(client, 8, 16);
    expect(states(client)).toEqual(["healthy", "ejected", "healthy"]);
  });
  fleet.takeCounts();
  await callTogether(client, 4, 60);
  expect(fleet.takeCounts()[1]).toBe(0);

  await fleet.servers[1]?.start();
  await vi.waitFor(async () => {
    await client.rpc.echo({});
    expect(states(client)).toEqual(["healthy", "healthy", "healthy"]);
  });
  await callTogether(client, 4, 60);
  expect(fleet.takeCounts()[1]).toBeGreaterThan(0);
});

test("a server that says it does not serve gets no calls until it does", async () => {
  const ill = new Set<number>();
  await using fleet = await startFleet(3, {
    server: (place) => ({ readiness: () => (ill.has(place) ? ["the database is away"] : []) }),
  });
  const client = await fleet.client();
  await callTogether(client, 4, 40);
  ill.add(2);
  await vi.waitFor(() => expect(states(client)).toEqual(["healthy", "healthy", "not_serving"]));
  fleet.takeCounts();
  await callTogether(client, 4, 60);
  expect(fleet.takeCounts()[2]).toBe(0);
  ill.delete(2);
  await vi.waitFor(() => expect(states(client)).toEqual(["healthy", "healthy", "healthy"]));
});

test("when every server says that it does not serve, all of them are called", async () => {
  await using fleet = await startFleet(2, { server: () => ({ readiness: () => ["asleep"] }) });
  const client = await fleet.client();
  await client.rpc.echo({});
  await client.rpc.echo({});
  await vi.waitFor(async () => {
    await client.rpc.echo({});
    expect(states(client)).toEqual(["not_serving", "not_serving"]);
  });
  expect(await client.rpc.echo({ text: "hi" })).toMatchObject({ text: "hi" });
});

test("endpoints come and go while calls run; one that goes finishes its calls", async () => {
  const release = Promise.withResolvers<void>();
  await using fleet = await startFleet(3, {
    async answer(place, { text }) {
      if (text === "long") await release.promise;
      return { text: `${text} from ${place}` };
    },
  });
  const [first = "", ...others] = fleet.urls;
  const client = await fleet.client({ url: [first] });
  const long = client.rpc.write({ text: "long" });
  await vi.waitFor(() => expect(fleet.takeCounts()).toEqual([1, 0, 0]));

  client.endpoints.replace(others);
  await callTogether(client, 4, 40);
  const [dropped, ...added] = fleet.takeCounts();
  expect(dropped).toBe(0);
  for (const count of added) expect(count).toBeGreaterThan(0);
  release.resolve();
  expect(await long).toMatchObject({ text: "long from 0" });
  expect(client.endpoints.list().map(({ name }) => name)).toEqual(others);
});

// Elsewhere the loopback network has only one address.
test.runIf(process.platform === "linux")("a name's addresses are followed", async () => {
  await using names = await startNameServer();
  await using fleet = await startFleet(3, { sharesPort: true });
  const { port } = new URL(fleet.urls[0] ?? "");
  const client = await fleet.client({
    url: `dns:localhost:${port}`,
    limits: { nameServers: [names.address], refreshMsMin: 20, refreshMsMax: 40 },
  });
  names.answer(undefined);
  const unknown = await client.rpc.echo({}, { timeoutMs: 1_000 }).catch(ConnectError.from);
  expect(unknown).toMatchObject({ code: Code.Unavailable });
  expect(unknown.rawMessage).toMatch(/^localhost was not found/);

  const addresses = ["127.0.0.1", "127.0.0.2"];
  names.answer(addresses);
  await vi.waitFor(() => client.rpc.echo({}));
  const named = (some: readonly string[]) =>
    some.map((address) => `https://localhost:${port} at ${address}`);
  const list = () =>
    client.endpoints
      .list()
      .map(({ name }) => name)
      .sort();
  expect(list()).toEqual(named(addresses));
  await callTogether(client, 4, 60);
  const [one, two, three] = fleet.takeCounts();
  expect(one).toBeGreaterThan(0);
  expect(two).toBeGreaterThan(0);
  expect(three).toBe(0);

  // A name server that is away takes nobody along, and neither does one that knows nothing.
  names.answer(undefined);
  await sleep(100);
  names.answer([]);
  await sleep(100);
  expect(list()).toEqual(named(addresses));

  names.answer(["127.0.0.3", "127.0.0.2"]);
  await vi.waitFor(() => expect(list()).toEqual(named(["127.0.0.2", "127.0.0.3"])));
  fleet.takeCounts();
  await callTogether(client, 4, 60);
  expect(fleet.takeCounts()[0]).toBe(0);
});

test("the endpoints and their states are metrics", async () => {
  const metrics = createMetrics("test");
  await using fleet = await startFleet(3);
  const client = await fleet.client({ metrics });
  await callTogether(client, 4, 30);
  await fleet.servers[0]?.stop();
  await vi.waitFor(async () => {
    await callTogether(client, 8, 16);
    expect(states(client)).toContain("ejected");
  });
  const text = await metrics.render();
  expect(text).toMatch(/bursar_client_endpoints\{.*state="healthy".*\} 2/);
  expect(text).toMatch(/bursar_client_endpoints\{.*state="ejected".*\} 1/);
  expect(text).toMatch(/bursar_client_connections\{.*\} 2/);
  expect(text).toMatch(/bursar_client_ejections_total\{.*\} [1-9]/);
  await client[Symbol.asyncDispose]();
  const after = await metrics.render();
  expect(after).toMatch(/bursar_client_endpoints\{.*state="healthy".*\} 0/);
  expect(after).toMatch(/bursar_client_endpoints\{.*state="ejected".*\} 0/);
  expect(after).toMatch(/bursar_client_connections\{.*\} 0/);
});

test.each([
  [4, "2"],
  [1, "1"],
])(
  "more calls than one connection takes open another, if %i may be",
  async (connectionsMax, made) => {
    const release = Promise.withResolvers<void>();
    const metrics = createMetrics("test");
    await using fleet = await startFleet(1, {
      async answer(_place, { text }) {
        await release.promise;
        return { text };
      },
    });
    const client = await fleet.client({ metrics, limits: { connectionsMax } });
    const connections = async () =>
      /bursar_client_connections\{.*\} (\d+)/.exec(await metrics.render())?.[1];
    const call = () => client.rpc.write({ text: "hi" }, { timeoutMs: 9_000 });
    // Three quarters of the 256 streams that the server allows.
    const few = Array.from({ length: 150 }, call);
    await vi.waitFor(async () => expect(await connections()).toBe("1"));
    const many = Array.from({ length: 250 }, call);
    await vi.waitFor(async () => expect(await connections()).toBe(made));
    release.resolve();
    await Promise.all([...few, ...many]);
  },
);

function states(client: FleetClient): string[] {
  return client.endpoints.list().map(({ state }) => state);
}

async function callTogether(client: FleetClient, callers: number, calls: number): Promise<void> {
  let left = calls;
  const caller = async () => {
    while (left-- > 0) await client.rpc.echo({ text: "hi" });
  };
  await Promise.all(Array.from({ length: callers }, caller));
}
