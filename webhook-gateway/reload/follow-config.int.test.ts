import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { readEndpointsText } from "../endpoints.ts";
import { openEndpoints } from "../endpoints-in-force.ts";
import { activeKeys } from "../secrets.ts";
import { followConfig } from "./follow-config.ts";

const [first, second] = ["whsec_0123456789abcdef-first", "whsec_0123456789abcdef-second"];
const pollMs = 40;
let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-reload-"));
  file = join(folder, "endpoints.yaml");
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a secret is rotated while webhooks keep coming, and none is refused", async () => {
  writeFileSync(join(folder, "first"), first);
  writeFileSync(join(folder, "second"), second);
  writeFileSync(file, config("one-endpoint", ["first"]));
  using world = open();
  let refused = 0;
  let rotated = false;
  const steps = async () => {
    replace(config("one-endpoint", ["first", "second"]));
    await world.keys(2);
    rotated = true;
    await sleep(2 * pollMs);
    replace(config("one-endpoint", ["second"]));
    await world.keys(1);
  };
  const done = steps();
  let running = true;
  void done.finally(() => {
    running = false;
  });
  while (running) {
    if (!world.verifies(rotated ? second : first)) refused++;
    await sleep(1);
  }
  await done;
  expect(refused).toBe(0);
  expect(world.verifies(first)).toBe(false);
});

test("a secret that is written into its file takes the place of the one before", async () => {
  writeFileSync(join(folder, "first"), first);
  writeFileSync(file, config("one-endpoint", ["first"]));
  using world = open();
  writeFileSync(join(folder, "first"), second);
  await vi.waitFor(() => expect(world.verifies(second)).toBe(true), 5_000);
});

test("a link that is turned to another folder is seen", async () => {
  for (const [name, secret] of [
    ["a", first],
    ["b", second],
  ] as const) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "key"), secret);
  }
  symlinkSync("a", join(folder, "data"));
  writeFileSync(file, config("one-endpoint", ["data/key"]));
  using world = open();
  symlinkSync("b", join(folder, "next"));
  renameSync(join(folder, "next"), join(folder, "data"));
  await vi.waitFor(() => expect(world.verifies(second)).toBe(true), 5_000);
});

test("a refused file keeps what runs, and is told once until it is mended", async () => {
  writeFileSync(join(folder, "first"), first);
  writeFileSync(file, config("one-endpoint", ["first"]));
  using world = open();
  replace(config("one-endpoint", ["gone", "lost"]));
  await vi.waitFor(() => expect(world.lines("refused")).toHaveLength(1), 5_000);
  await sleep(5 * pollMs);
  const lines = world.lines("refused");
  expect(lines).toHaveLength(1);
  expect(lines[0]).toContain("secrets[0]");
  expect(lines[0]).toContain("secrets[1]");
  expect(lines[0]).not.toContain(first);
  expect(world.verifies(first)).toBe(true);
  expect(await world.metric("bursar_gateway_config_refused")).toBe(1);

  replace(config("one-endpoint", ["first"]));
  await vi.waitFor(async () => {
    expect(await world.metric("bursar_gateway_config_refused")).toBe(0);
  }, 5_000);
  expect(await world.metric("bursar_gateway_config_reloads_total")).toBe(1);
});

test("an endpoint that is removed is gone, and who began with it keeps it", async () => {
  writeFileSync(join(folder, "first"), first);
  writeFileSync(file, config("one-endpoint", ["first"]) + endpoint("two-endpoint", ["first"]));
  using world = open();
  const begun = world.current();
  replace(config("one-endpoint", ["first"]));
  await vi.waitFor(() => expect(world.current().has("two-endpoint")).toBe(false), 5_000);
  expect(begun.has("two-endpoint")).toBe(true);
});

test("half a file is never in force, though it is sound by itself", async () => {
  writeFileSync(join(folder, "first"), first);
  const whole = config("one-endpoint", ["first"]) + endpoint("two-endpoint", ["first"]);
  writeFileSync(file, whole);
  using world = open();
  let halved = false;
  for (let round = 0; round < 40; round++) {
    // As an editor that is slow to write does.
    writeFileSync(file, `${config("one-endpoint", ["first"])}# ${round}\n`);
    await sleep(pollMs / 4);
    writeFileSync(file, `${whole}# ${round}\n`);
    await sleep(pollMs / 2);
    halved ||= !world.current().has("two-endpoint");
  }
  expect(halved).toBe(false);
});

function open() {
  const text = readEndpointsText(file);
  const endpoints = openEndpoints(text, {});
  const metrics = createMetrics("test");
  const written: string[] = [];
  const log = createLog({ service: "test", level: "info", write: (line) => written.push(line) });
  const take = async (next: string) => endpoints.prepare(next)();
  const following = followConfig({ file, text, take, endpoints, log, metrics, pollMs });
  const current = () => endpoints.current.endpoints;
  return {
    current,
    verifies(secret: string): boolean {
      const { provider, secrets } = current().get("one-endpoint")!;
      const now = new Date();
      const body = Buffer.from("{}");
      const signed = provider.sign({ key: Buffer.from(secret), body, now, eventId: "evt_1" })!;
      const request = { body, header: (name: string) => signed.headers[name] };
      const trust = { keys: activeKeys(secrets, now), now, toleranceMs: 300_000 };
      return provider.verify(request, trust).verified;
    },
    keys: (count: number) =>
      vi.waitFor(() => expect(current().get("one-endpoint")!.secrets).toHaveLength(count), 5_000),
    lines: (word: string) => written.filter((line) => line.includes(word)),
    async metric(name: string): Promise<number> {
      const line = new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, "m").exec(await metrics.render());
      return Number(line?.[1]);
    },
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}

/** As most tools replace a file. */
function replace(text: string): void {
  writeFileSync(`${file}.next`, text);
  renameSync(`${file}.next`, file);
}

function config(endpointId: string, secrets: readonly string[]): string {
  return `endpoints:\n${endpoint(endpointId, secrets)}`;
}

function endpoint(endpointId: string, secrets: readonly string[]): string {
  const refs = secrets.map((name) => `{ file: ${join(folder, name)} }`).join(", ");
  return (
    `  - endpoint_id: ${endpointId}\n    provider_account: acct\n    ledger_id: main\n` +
    `    secrets: [${refs}]\n    stripe: {}\n`
  );
}
