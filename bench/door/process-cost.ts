// What a process costs, as Linux tells it, and as the probe inside it does.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { eventually } from "#dev/eventually.ts";

const ticksASecond = 100;

/** CPU time of the processes until now, user and system. */
export function cpuMicrosOf(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return (sum(ticks) / ticksASecond) * 1_000_000;
}

/** The process and those it started. */
export function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return [pid, ...children.split(" ").filter(Boolean).map(Number)];
}

export function residentMiBOf(pids: readonly number[]): number {
  const kilobytes = pids.map((pid) =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]),
  );
  return Math.round(sum(kilobytes) / 1024);
}

/** Bytes on the heap that the process has taken since it started; see probe.ts. */
export async function allocatedBytes(pid: number, probeFile: string): Promise<number> {
  rmSync(probeFile, { force: true });
  process.kill(pid, "SIGUSR2");
  const told = () => Promise.resolve(existsSync(probeFile) || undefined);
  if (!(await eventually(told, 10_000))) throw new Error(`process ${pid} has no probe`);
  return Number(readFileSync(probeFile, "utf8"));
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}
