// The official runner and the schema that comes with it: a Go module, brought by
// the machine's own `go` into .cache/ and kept there. Nothing of it is copied
// into the repository.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

const goModule = "connectrpc.com/conformance";
export const runnerVersion = "v1.0.7";
/** Downloading and building took 25 s here, from an empty cache. */
const bringTimeoutMs = 300_000;

const root = resolve(import.meta.dirname, "..");
const folder = join(root, ".cache/conformance", runnerVersion);
export const runnerFile = join(folder, "connectconformance");
/** The runner's protos, compiled: a FileDescriptorSet. */
export const descriptorsFile = join(folder, "descriptors.binpb");

/** Throws when there is no Go, or when it cannot fetch or build the module. */
export async function bringRunner(say: (line: string) => void): Promise<void> {
  if (existsSync(runnerFile) && existsSync(descriptorsFile)) return;
  const version = await go("version").catch((cause: unknown) => {
    throw new Error("no `go` on this machine", { cause });
  });
  say(`building ${goModule}@${runnerVersion} with ${version.trim()}`);
  mkdirSync(folder, { recursive: true });
  await go("install", `${goModule}/cmd/connectconformance@${runnerVersion}`);
  const { Dir } = JSON.parse(await go("mod", "download", "-json", `${goModule}@${runnerVersion}`));
  const buf = join(root, "node_modules/.bin/buf");
  const output = ["--as-file-descriptor-set", "-o", descriptorsFile];
  await run(buf, ["build", join(Dir, "proto"), ...output], { cwd: folder });
}

async function go(...args: string[]): Promise<string> {
  const path = [process.env["PATH"], "/usr/local/go/bin"].join(delimiter);
  const env = { ...process.env, PATH: path, GOBIN: folder, GOFLAGS: "" };
  const { stdout } = await run("go", args, { cwd: root, env, timeout: bringTimeoutMs });
  return stdout;
}
