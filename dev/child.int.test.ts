import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startChild, waitUntilReady } from "./child.ts";

test("a start that failed tells what this one wrote, not those before it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-child-"));
  const logFile = join(folder, "x.log");
  const start = async (says: string) => {
    const args = ["-c", `echo ${says}; exit 1`];
    const child = await startChild({ command: "sh", args, logFile, stopSignal: "SIGTERM" });
    const ready = async () => false;
    return waitUntilReady(child, { name: "x", logFile, timeoutMs: 10_000, ready }).catch(String);
  };
  try {
    expect(await start("first")).toMatch(/x ended with code 1; .*:\nfirst/);
    const second = await start("second");
    expect(second).toMatch(/second/);
    expect(second).not.toMatch(/first/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
