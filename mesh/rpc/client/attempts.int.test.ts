import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { createMetrics } from "../../process/metrics.ts";
import { createSampler } from "../../telemetry/sampler.ts";
import { type FinishedSpan, recordSpans } from "../../telemetry/trace.ts";
import type { Untyped } from "../../testing/echo-server.ts";
import { type FleetOptions, startFleet } from "../../testing/fleet.ts";
import { refuse, refuseRequest } from "../errors.ts";

test("a total outage is not fed: attempts stay near the calls", async () => {
  await using fleet = await startFleet(2, { answer: () => unavailable() });
  const client = await fleet.client();
  const calls = Array.from({ length: 100 }, () => client.rpc.echo({}).catch(asError));
  for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.Unavailable);
  expect(sum(fleet.takeCounts())).toBeLessThanOrEqual(106);
});

test("a retry goes to another endpoint", async () => {
  await using fleet = await startFleet(2, {
    answer: (place, { text }) => (place === 0 ? unavailable() : { text }),
  });
  const client = await fleet.client();
  for (let count = 0; count < 4; count++) await client.rpc.echo({});
  const [failed = 0, answered = 0] = fleet.takeCounts();
  expect(answered).toBe(4);
  expect(failed).toBeLessThanOrEqual(4);
});

test.each<[string, string, number]>([
  ["says when to come back", "1", 3],
  ["wants it no more", "-1", 1],
  ["says what nobody understands", "soon", 1],
  ["says to come back when it is too late", "5000", 1],
])("a server that %s is obeyed", async (_name, pushback, attempts) => {
  await using fleet = await startFleet(1, {
    answer: () => unavailable(pushback),
  });
  const client = await fleet.client();
  const error = await client.rpc.echo({}, { timeoutMs: 2_000 }).catch(asError);
  expect(error.code).toBe(Code.Unavailable);
  expect(fleet.takeCounts()).toEqual([attempts]);
});

test.each([
  [RequestRefusal.STOPPING, "write", 2],
  [RequestRefusal.OVERLOADED, "write", 2],
  // The limit is the caller's own: another try would only use it up.
  [RequestRefusal.RATE_LIMITED, "echo", 1],
] as const)("a server that did nothing (%i) is asked elsewhere, %s and all", async (...row) => {
  const [refusal, method, attempts] = row;
  let refusals = 1;
  await using fleet = await startFleet(2, {
    answer(_place, { text }) {
      if (refusals-- > 0) throw refuseRequest(refusal, "not now");
      return { text };
    },
  });
  const client = await fleet.client();
  const outcome = await client.rpc[method]({ text: "hi" }).catch(asError);
  expect(sum(fleet.takeCounts())).toBe(attempts);
  if (attempts === 2) expect(outcome.text).toBe("hi");
  else expect(outcome.code).toBe(Code.ResourceExhausted);
});

test("what a server may have begun is not sent again unless it may be repeated", async () => {
  await using fleet = await startFleet(3, { answer: () => unavailable() });
  const client = await fleet.client();
  expect(await client.rpc.write({ text: "no key" }).catch(asError)).toBeInstanceOf(ConnectError);
  expect(sum(fleet.takeCounts())).toBe(1);
});

test("no deadline, no attempt", async () => {
  await using fleet = await startFleet(1);
  const client = await fleet.client();
  const late = await client.rpc.echo({}, { timeoutMs: 0 }).catch(asError);
  expect(late.code).toBe(Code.DeadlineExceeded);
  const abort = AbortSignal.abort(new Error("changed my mind"));
  const given = await client.rpc.echo({}, { signal: abort }).catch(asError);
  expect(given.code).toBe(Code.Canceled);
  expect(fleet.takeCounts()).toEqual([0]);
});

test("an abort ends the wait between attempts", async () => {
  await using fleet = await startFleet(1, {
    answer: () => unavailable("8000"),
  });
  const client = await fleet.client();
  const controller = new AbortController();
  const call = client.rpc.echo({}, { signal: controller.signal }).catch(asError);
  while (fleet.takeCounts()[0] === 0) await sleep(5);
  await sleep(50);
  controller.abort(new Error("changed my mind"));
  expect(await call).toMatchObject({ code: Code.Canceled, rawMessage: "changed my mind" });
});

test("a slow call gets a copy elsewhere; the first answer counts, the other ends", async () => {
  const hedge = await startHedge({});
  await using _fleet = hedge.fleet;
  let calls = 0;
  let [slow = 0, fast = 0] = [0, 0];
  // Until chance has sent one to the slow server first.
  while (slow === 0 && calls < 40) {
    calls += 1;
    expect(await hedge.rpc.hurry({ text: "hi" })).toMatchObject({ text: "hi" });
    const [toSlow = 0, toFast = 0] = hedge.fleet.takeCounts();
    slow += toSlow;
    fast += toFast;
  }
  expect(fast).toBe(calls);
  expect(slow).toBe(1);
  await expect.poll(() => hedge.canceled()).toBe(slow);
});

test("a copy that fails sends the next one at once", async () => {
  await using fleet = await startFleet(2, {
    answer: (place, { text }) => (place === 0 ? unavailable() : { text }),
  });
  const client = await fleet.client();
  for (let count = 0; count < 4; count++) {
    expect(await client.rpc.hurry({ text: "hi" })).toMatchObject({ text: "hi" });
  }
});

test("a server that wants no more ends the copies", async () => {
  await using fleet = await startFleet(2, {
    answer: () => unavailable("-1"),
  });
  const client = await fleet.client();
  expect(await client.rpc.hurry({}).catch(asError)).toMatchObject({ code: Code.Unavailable });
  // Two where the first answer takes longer than the copy waits; never the third.
  expect(sum(fleet.takeCounts())).toBeLessThanOrEqual(2);
});

test("copies spend the budget of retries", async () => {
  const metrics = createMetrics("test");
  const hedge = await startHedge({ metrics, alwaysSlow: true });
  await using _fleet = hedge.fleet;
  const calls = Array.from({ length: 20 }, () =>
    hedge.rpc.hurry({}, { timeoutMs: 300 }).catch(asError),
  );
  for (const error of await Promise.all(calls)) expect(error.code).toBe(Code.DeadlineExceeded);
  expect(sum(hedge.fleet.takeCounts())).toBe(25);
  const text = await metrics.render();
  expect(text).toMatch(/bursar_client_attempts_total\{.*kind="first".*\} 20/);
  expect(text).toMatch(/bursar_client_attempts_total\{.*kind="hedge".*\} 5/);
  expect(text).toMatch(/bursar_client_attempts_denied_total\{.*\} 15/);
  expect(text).toMatch(/bursar_client_requests_total\{.*code="deadline_exceeded".*\} 20/);
});

test("a call is one span, which says how many attempts it took and where the last went", async () => {
  await using fleet = await startFleet(2, {
    answer: (place, { text }) => (place === 0 ? unavailable() : { text }),
  });
  const client = await fleet.client();
  const spans: FinishedSpan[] = [];
  const sampler = createSampler("always_on", 1);
  const forget = recordSpans({ sampler, record: (span) => spans.push(span) });
  for (let count = 0; count < 3; count++) await client.rpc.echo({});
  forget();
  const made = spans.filter(({ kind }) => kind === "client");
  const attempts = made.map(({ attributes }) => Number(attributes["bursar.attempts"]));
  expect(sum(attempts)).toBe(sum(fleet.takeCounts()));
  for (const { name, attributes } of made) {
    expect(name).toBe("bursar.testing.v1.EchoService/Echo");
    expect(attributes).toMatchObject({
      "rpc.status_code": "ok",
      "server.address": "localhost",
      "server.port": Number(new URL(fleet.urls[1] ?? "").port),
    });
  }
});

/** Two servers, of which the first, or both, answer only when they are told to stop. */
async function startHedge({ metrics, alwaysSlow }: Untyped) {
  let canceled = 0;
  const answer: FleetOptions["answer"] = async (place, { text }, { signal }: HandlerContext) => {
    if (place === 1 && !alwaysSlow) return { text };
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve());
    await promise;
    canceled += 1;
    return { text };
  };
  const fleet = await startFleet(2, { answer });
  const { rpc } = await fleet.client({ ...(metrics && { metrics }) });
  return { fleet, rpc, canceled: () => canceled };
}

function unavailable(pushback?: string): never {
  const error = refuse(Code.Unavailable, "no database");
  if (pushback !== undefined) error.metadata.set("grpc-retry-pushback-ms", pushback);
  throw error;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
