// Whether a house runs in a folder, so that two never work on the same data.

import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Throws when another process keeps a house there. */
export function claimFolder(folder: string): Disposable {
  const runs = houseIn(folder);
  if (runs !== undefined) {
    throw new Error(`Bursar already runs in ${folder}; stop it first: kill -INT ${runs}`);
  }
  const file = pidFile(folder);
  writeFileSync(file, String(process.pid));
  return { [Symbol.dispose]: () => rmSync(file, { force: true }) };
}

/** Process id of the house that runs in the folder. One that was killed left only its file. */
export function houseIn(folder: string): number | undefined {
  const file = pidFile(folder);
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, "utf8"));
  return pid !== process.pid && isHouse(pid) ? pid : undefined;
}

function pidFile(folder: string): string {
  return join(folder, "house.pid");
}

function isHouse(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const commandLine = `/proc/${pid}/cmdline`;
  // Where the system cannot say what it is, a process with this id counts.
  return !existsSync("/proc/self") || readFileSync(commandLine, "utf8").includes("node");
}
