// `make conformance`: points the official runner at our server and at our client,
// and ends with `N passed, N failed, N skipped`. Without Go, or without a way to
// the module, it says so, counts one skip and is content.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseList } from "./lists.ts";
import { type Report, readReport } from "./report.ts";
import { bringRunner, runnerFile, runnerVersion } from "./runner.ts";

const root = resolve(import.meta.dirname, "..");
const folder = relative(root, import.meta.dirname);
/** Both runs together take a minute here, on two cores. */
const runTimeoutMs = 600_000;

try {
  await bringRunner(console.log);
} catch (error) {
  const { stderr, message } = error as { stderr?: string; message: string };
  const reason = (stderr || message).trim().split("\n").at(-1);
  console.log(`skipped: the official runner could not be brought: ${reason}`);
  console.log("         it is a Go program: install Go, and give it a way to its module proxy");
  console.log("0 passed, 0 failed, 1 skipped");
  process.exit(0);
}

const reports = [await runMode("server"), await runMode("client")];
const passed = reports.reduce((sum, report) => sum + report.passed, 0);
const failed = reports.reduce((sum, report) => sum + report.failed, 0);
console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed > 0 ? 1 : 0);

async function runMode(mode: "server" | "client"): Promise<Report> {
  const listFile = join(folder, `${mode}-failing.txt`);
  const groups = parseList(readFileSync(join(root, listFile), "utf8"));
  console.log(`connectconformance ${runnerVersion} against the mesh ${mode} …`);
  const startMs = performance.now();
  const output = await runRunner(
    mode,
    groups.length > 0 ? ["--known-failing", `@${listFile}`] : [],
  );
  const seconds = ((performance.now() - startMs) / 1_000).toFixed(0);
  const broken = { passed: 0, failed: 1, listed: 0, text: output.trim() };
  const report = readReport(output, groups) ?? broken;
  const { passed, failed, listed, text } = report;
  if (failed > 0) console.log(text);
  const others = listed > 0 ? `, ${listed} fail as ${listFile} says` : "";
  console.log(`${mode}: ${passed} passed, ${failed} failed${others} (${seconds} s)\n`);
  return report;
}

/** In a group of its own, so that the programs it starts go with it. */
async function runRunner(mode: string, options: readonly string[]): Promise<string> {
  const config = join(folder, `${mode}.yaml`);
  const program = join(folder, `${mode}.ts`);
  // A server that takes 10 s to start has failed, and each has the start of a service to make.
  const servers = ["--max-servers", String(Math.min(4, availableParallelism()))];
  const command = ["--", process.execPath, program];
  const args = ["--mode", mode, "--conf", config, ...servers, ...options, ...command];
  const child = spawn(runnerFile, args, { cwd: root, detached: true });
  const end = () => {
    if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  };
  const stopped = () => {
    end();
    process.exit(1);
  };
  process.once("SIGINT", stopped).once("SIGTERM", stopped);
  const timer = setTimeout(() => {
    console.log(`${mode}: no end after ${runTimeoutMs / 1_000} s, giving up`);
    end();
  }, runTimeoutMs);
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => chunks.push(text));
  }
  const { promise, resolve: ended, reject } = Promise.withResolvers<void>();
  child.once("error", reject).once("close", () => ended());
  await promise;
  clearTimeout(timer);
  process.off("SIGINT", stopped).off("SIGTERM", stopped);
  return chunks.join("");
}
