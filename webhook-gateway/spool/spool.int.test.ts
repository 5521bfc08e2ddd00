import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { webhookWith } from "../testing/webhooks.ts";
import { openOrphans } from "./orphans.ts";
import { openSpool, type Spool } from "./spool.ts";

const mebibyte = 1024 ** 2;

test("webhooks that come together are on the disk together, in their order", async () => {
  using world = openWorld();
  const ids = Array.from({ length: 600 }, (_, n) => `w${n}`);
  const taken = await Promise.all(ids.map((id) => world.spool.append([webhook(id)])));
  expect(new Set(taken.map((it) => JSON.stringify(it)))).toEqual(
    new Set(['{"durable":true,"duplicate":false}']),
  );
  expect(idsIn(world.spool)).toEqual(ids);
  expect(await world.metric("bursar_gateway_spool_rows")).toBe(600);
  expect(await world.metric("bursar_gateway_spooled_total")).toBe(600);
});

test("the same webhook waits once, however often it is sent", async () => {
  using world = openWorld();
  const all = Array.from({ length: 1_000 }, () => world.spool.append([webhook("again")]));
  const taken = await Promise.all(all);
  expect(taken.every(({ durable }) => durable)).toBe(true);
  expect(taken.filter((it) => it.durable && !it.duplicate)).toHaveLength(1);
  expect(idsIn(world.spool)).toEqual(["again"]);
});

test("a spool that is full takes nothing, and takes again once there is room", async () => {
  using world = openWorld({ bytesMax: mebibyte });
  const large = (id: string) => world.spool.append([webhook(id, 300_000)]);
  const taken = await Promise.all(["a", "b", "c", "d", "e"].map(large));
  expect(taken.map(({ durable }) => durable)).toEqual([true, true, true, false, false]);
  const file = world.spool.file()!;
  file.remove(file.oldest({ rows: 1, bytes: mebibyte }).map(({ id }) => id));
  expect(await large("f")).toEqual({ durable: true, duplicate: false });
  expect(idsIn(world.spool)).toEqual(["b", "c", "f"]);
});

test("events of one request are taken together or not at all", async () => {
  using world = openWorld({ bytesMax: mebibyte });
  const request = [webhook("a", 400_000), webhook("b", 400_000), webhook("c", 400_000)];
  expect(await world.spool.append(request)).toEqual({ durable: false });
  expect(idsIn(world.spool)).toEqual([]);
});

test("a file that grows no further than its pages takes nothing and stays whole", async () => {
  using world = openWorld({ bytesMax: 64 * mebibyte });
  const file = world.spool.file()!;
  const big = new Uint8Array(30 * mebibyte);
  const row = (dedupeId: string) => ({ dedupeId, webhook: big, traceparent: undefined });
  // Past the bound that the spool itself keeps, there is that of the file.
  for (const id of ["a", "b", "c"]) file.append([row(id)], 0);
  expect(() => file.append([row("d")], 0)).toThrow("full");
  expect(file.count()).toMatchObject({ rows: 3, bytes: 3 * big.byteLength });
  expect(await world.spool.append([webhook("e")])).toEqual({ durable: false });
});

test("what is in the file of a process that is gone is found by another", async () => {
  using world = openWorld();
  await world.spool.append([webhook("left")]);
  world.spool[Symbol.dispose]();
  using next = openSpool({ ...world.options, worker: 7, metrics: createMetrics("test") });
  const found = [];
  for (using orphan of openOrphans(next, silentLog())) {
    found.push(...orphan.oldest({ rows: 10, bytes: mebibyte }).map(({ dedupeId }) => dedupeId));
  }
  expect(found).toEqual([expect.stringMatching(/^left\//)]);
});

test("two processes with one number have a file each, and none is an orphan", async () => {
  using world = openWorld();
  using twin = openSpool({ ...world.options, metrics: createMetrics("test") });
  expect(twin.file()?.path).toBe(join(world.dir, "spool-0.1.db"));
  await Promise.all([world.spool.append([webhook("a")]), twin.append([webhook("b")])]);
  expect(idsIn(world.spool)).toEqual(["a"]);
  expect(idsIn(twin)).toEqual(["b"]);
  expect([...openOrphans(world.spool, silentLog())]).toEqual([]);
});

test.each(["its head", "its pages"])(
  "a file with noise in %s is put aside, kept whole and replaced",
  async (where) => {
    using world = openWorld();
    for (let n = 0; n < 40; n += 1) await world.spool.append([webhook(`w${n}`, 20_000)]);
    const { path } = world.spool.file()!;
    world.spool[Symbol.dispose]();
    const noise = Buffer.alloc(where === "its head" ? 100 : 60_000, 0xa5);
    writeSync(openSync(path, "r+"), noise, 0, noise.length, where === "its head" ? 0 : 4_096);
    const damaged = readFileSync(path);

    using again = openSpool({ ...world.options, metrics: world.metrics });
    expect(await again.append([webhook("new")])).toEqual({ durable: true, duplicate: false });
    expect(idsIn(again)).toEqual(["new"]);
    const [aside] = readdirSync(world.dir).filter((name) => /\.corrupt-\d+$/.test(name));
    // All but the head, which opening a file may touch.
    const kept = readFileSync(join(world.dir, aside!)).subarray(4_096);
    expect(kept.equals(damaged.subarray(4_096))).toBe(true);
    expect(await world.metric("bursar_gateway_spool_files_set_aside")).toBe(1);
  },
);

test("a folder that cannot be used takes nothing, and is used once it can be", async () => {
  using world = openWorld();
  const dir = join(world.dir, "file");
  writeFileSync(dir, "no folder");
  using spool = openSpool({ ...world.options, dir, metrics: createMetrics("test") });
  expect(await spool.append([webhook("a")])).toEqual({ durable: false });
  rmSync(dir);
  await expect
    .poll(() => spool.append([webhook("a")]), { timeout: 5_000 })
    .toEqual({ durable: true, duplicate: false });
});

test("a disk without room takes nothing, and what was taken before is still there", async (on) => {
  using world = openWorld();
  const mount = join(world.dir, "small");
  spawnSync("mkdir", [mount]);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", mount]);
  if (mounted.status !== 0) return on.skip("only root may mount");
  try {
    using spool = openSpool({ ...world.options, dir: mount, metrics: createMetrics("test") });
    const acked: string[] = [];
    for (let n = 0; n < 100; n += 1) {
      if ((await spool.append([webhook(`w${n}`, 200_000)])).durable) acked.push(`w${n}`);
    }
    expect(acked.length).toBeGreaterThan(2);
    expect(acked.length).toBeLessThan(40);
    expect(idsIn(spool)).toEqual(acked);
    // Somebody else takes the room that was left: the disk itself refuses.
    const row = (n: number) => ({
      dedupeId: `x${n}`,
      webhook: new Uint8Array(2_000_000),
      traceparent: undefined,
    });
    writeFileSync(join(mount, "filler"), Buffer.alloc(freeBytesOf(mount) - 500_000));
    const fill = () => {
      for (let n = 0; n < 20; n += 1) {
        spool.file()?.append([row(n)], 0);
        extra += 1;
      }
    };
    let extra = 0;
    expect(fill).toThrow("full");
    expect(await spool.append([webhook("none")])).toEqual({ durable: false });
    expect(spool.file()?.count().rows).toBe(acked.length + extra);
    spool[Symbol.dispose]();
    using again = openSpool({ ...world.options, dir: mount, metrics: createMetrics("test") });
    expect(again.file()?.count().rows).toBe(acked.length + extra);
    rmSync(join(mount, "filler"));
    const file = again.file()!;
    file.remove(file.oldest({ rows: 100, bytes: 64 * mebibyte }).map(({ id }) => id));
    file.shrink();
    expect(await again.append([webhook("after", 200_000)])).toMatchObject({ durable: true });
  } finally {
    spawnSync("umount", ["-l", mount]);
  }
});

test("a file gives its space back once it is drained", async () => {
  using world = openWorld();
  for (let n = 0; n < 20; n += 1) await world.spool.append([webhook(`w${n}`, 500_000)]);
  const file = world.spool.file()!;
  file.remove(file.oldest({ rows: 100, bytes: 64 * mebibyte }).map(({ id }) => id));
  file.shrink();
  expect(statSync(file.path).size).toBeLessThan(100_000);
  expect(statSync(file.path).mode & 0o777).toBe(0o600);
});

function openWorld({ bytesMax = 64 * mebibyte } = {}) {
  const dir = mkdtempSync(join(tmpdir(), "bursar-spool-"));
  const metrics = createMetrics("test");
  const options = { dir, worker: 0, bytesMax, log: silentLog(), metrics };
  const spool = openSpool(options);
  return {
    dir,
    options,
    metrics,
    spool,
    async metric(name: string) {
      const [, value] =
        new RegExp(`^${name}\\{.*\\} (\\S+)$`, "m").exec(await metrics.render()) ?? [];
      return Number(value);
    },
    [Symbol.dispose]() {
      spool[Symbol.dispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

function freeBytesOf(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}

function webhook(webhookId: string, bytes = 10) {
  return webhookWith(Buffer.alloc(bytes, webhookId), { webhookId });
}

function idsIn(spool: Spool): string[] {
  const rows = spool.file()?.oldest({ rows: 1_000, bytes: 1024 * mebibyte }) ?? [];
  return rows.map((row) => fromBinary(WebhookReceivedSchema, row.webhook).webhookId);
}
