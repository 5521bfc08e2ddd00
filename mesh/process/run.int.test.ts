import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

test("SIGTERM disposes the service and exits 0", async () => {
  const { code, lines } = await run("disposes", "SIGTERM");
  expect(code).toBe(0);
  expect(lines).toEqual(["started", "stopping", "disposed", "stopped"]);
});

test("SIGINT does the same", async () => {
  expect((await run("disposes", "SIGINT")).code).toBe(0);
});

test("a start that fails is logged once and exits 1", async () => {
  const { code, lines } = await run("fails");
  expect(code).toBe(1);
  expect(lines).toEqual(["the service cannot start: no database"]);
});

test("an unhandled rejection exits 1", async () => {
  const { code, lines } = await run("rejects");
  expect(code).toBe(1);
  expect(lines).toContain("unhandled rejection: forgotten");
});

test("a second signal does not wait", async () => {
  const { code } = await run("hangs", "SIGTERM", "SIGTERM");
  expect(code).toBe(1);
});

test("a failing stop exits 1", async () => {
  expect((await run("stops badly", "SIGTERM")).code).toBe(1);
});

const program = `
  import { createLog } from "#mesh/process/log.ts";
  import { runUntilSignal } from "#mesh/process/run.ts";
  const log = createLog({ service: "s", level: "info" });
  const dispose = {
    "disposes": async () => log.info("disposed"),
    "hangs": () => new Promise(() => {}),
    "stops badly": () => Promise.reject(new Error("stuck")),
    "rejects": async () => {},
  }[process.env.CASE];
  await runUntilSignal(log, async () => {
    if (process.env.CASE === "fails") throw new Error("no database");
    if (process.env.CASE === "rejects") Promise.reject(new Error("forgotten"));
    // A service has sockets; here a timer keeps the process alive.
    setInterval(() => {}, 1_000);
    log.info("started");
    return { [Symbol.asyncDispose]: dispose };
  });
`;

async function run(which: string, ...signals: NodeJS.Signals[]) {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    env: { ...process.env, CASE: which },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  const left = [...signals];
  child.stdout.on("data", (data: Buffer) => {
    output += data;
    const signal = /"message":"(started|stopping)"/.test(data.toString())
      ? left.shift()
      : undefined;
    if (signal) child.kill(signal);
  });
  const [code] = await once(child, "exit");
  const lines = output
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line))
    .map(({ message, error }) => (error ? `${message}: ${error.message}` : message));
  return { code, lines };
}
