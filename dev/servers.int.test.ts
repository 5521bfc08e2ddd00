import { spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { openBroker } from "#mesh/events/broker.ts";
import { publish } from "#mesh/events/publish.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { encodedPayment } from "#mesh/testing/payments.ts";
import { startNatsServer } from "./nats-server.ts";
import { startPostgres } from "./postgres.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bursar-servers-"));
  chmodSync(folder, 0o711);
});
afterAll(() => rmSync(folder, { recursive: true }));

test("postgres keeps what was committed through kill -9, on the same port", async () => {
  const dataDir = join(folder, "killed");
  let server = await startPostgres({ dataDir });
  const { port, url } = server;
  const sql = openPool({ url, connectionsMax: 1 });
  await sql`create table kept (n int)`;
  await sql`insert into kept values (1)`;
  process.kill(server.pid, "SIGKILL");
  expect(await server.exited).toBe("was ended by SIGKILL");

  server = await startPostgres({ dataDir, port });

  expect(server.url).toBe(url);
  expect(await sql`select n from kept`.catch(() => sql`select n from kept`)).toEqual([{ n: 1 }]);
  await sql.end();
  await server[Symbol.asyncDispose]();
});

test("a lock file that names some other living process does not stop postgres", async () => {
  const dataDir = join(folder, "stale");
  {
    await using _server = await startPostgres({ dataDir });
  }
  writeFileSync(join(dataDir, "postmaster.pid"), `${process.pid}\n${dataDir}\n`);

  await using server = await startPostgres({ dataDir });

  expect(server.pid).toBeGreaterThan(0);
});

test("postgres starts on a folder that its user cannot reach", async () => {
  const closed = mkdtempSync(join(folder, "closed-"));
  chmodSync(closed, 0o700);
  const dataDir = join(closed, "data");
  {
    await using server = await startPostgres({ dataDir });
    const sql = openPool({ url: server.url, connectionsMax: 1 });
    expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
    await sql.end();
  }
  // Where it ran as root, the data is elsewhere, in a folder for this one alone.
  const real = realpathSync(dataDir);
  if (real !== dataDir) rmSync(dirname(real), { recursive: true });
});

test("both servers end when their parent is killed", async () => {
  const module = (path: string) => JSON.stringify(import.meta.resolve(path));
  const script = `
    const { startPostgres } = await import(${module("./postgres.ts")});
    const { startNatsServer } = await import(${module("./nats-server.ts")});
    const [folder] = process.argv.slice(1);
    const postgres = await startPostgres({ dataDir: folder + "/orphan-postgres" });
    const nats = await startNatsServer({ dataDir: folder + "/orphan-nats" });
    console.log(JSON.stringify([postgres.pid, nats.pid]));
  `;
  const args = ["--input-type=module", "--eval", script, folder];
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  parent.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await vi.waitFor(() => expect(output).toContain("]"), 20_000);
  const pids: number[] = JSON.parse(output);
  expect(pids.map(isRunning)).toEqual([true, true]);

  parent.kill("SIGKILL");

  await vi.waitFor(() => expect(pids.map(isRunning)).toEqual([false, false]), 10_000);
});

test("a port that is taken is said so", async () => {
  await using first = await startNatsServer({ dataDir: join(folder, "taken") });
  const second = startNatsServer({ dataDir: join(folder, "taken-2"), port: first.port });
  await expect(second).rejects.toThrow(`already serves 127.0.0.1:${first.port}`);
});

const strace = ["/usr/bin/strace", "/usr/local/bin/strace"].find(existsSync);

test.skipIf(!strace)("the broker has an event on disk before it acknowledges it", async () => {
  await using server = await startNatsServer({ dataDir: join(folder, "traced") });
  const log = silentLog();
  const metrics = createMetrics("test");
  await using broker = openBroker({
    ...{ url: server.url, name: "test", events: [PaymentSucceededSchema], log, metrics },
  });
  await publish(broker, encodedPayment("pi_warm"), { deadlineMs: 10_000 });
  const file = join(folder, "trace");
  const options = ["-f", "-e", "trace=pwrite64,fsync,fdatasync", "-s", "2000", "-o", file];
  const tracer = spawn(strace!, [...options, "-p", String(server.pid)], { stdio: "ignore" });
  await sleep(1_000);

  const inTrace: number[] = [];
  for (let n = 0; n < 20; n++) {
    await publish(broker, encodedPayment(`pi_traced_${n}`), { deadlineMs: 10_000 });
    inTrace.push(syncsAfterWrites(readFileSync(file, "utf8")));
  }
  tracer.kill("SIGINT");

  // At the moment of every acknowledgement, the write of that event had been synced.
  expect(inTrace).toEqual(Array.from({ length: 20 }, (_, n) => n + 1));
});

/** Writes of our events that were followed by a sync. */
function syncsAfterWrites(trace: string): number {
  let syncs = 0;
  let written = false;
  for (const line of trace.split("\n")) {
    if (line.includes("pi_traced_")) written = true;
    if (written && /f(data)?sync\(/.test(line)) {
      syncs++;
      written = false;
    }
  }
  return syncs;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // Nobody may be there to collect it once its parent is gone.
  const status = `/proc/${pid}/status`;
  return !existsSync(status) || !/^State:\s+Z/m.test(readFileSync(status, "utf8"));
}
