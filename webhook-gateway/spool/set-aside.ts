// A spool file that cannot be read is put aside under another name, with its log: it
// may hold webhooks that were acknowledged, so it waits for an operator, who may be
// able to recover them. It is never deleted.

import { existsSync, readdirSync, renameSync } from "node:fs";
import type { Log } from "#mesh/process/log.ts";

export function setAside(path: string, log: Log, error: unknown): void {
  const aside = `${path}.corrupt-${Date.now()}`;
  try {
    // SQLite finds a log by the name of its file.
    for (const part of ["", "-wal"]) {
      if (existsSync(path + part)) renameSync(path + part, aside + part);
    }
    log.error("a spool file is corrupt and was put aside: webhooks in it may be lost", {
      file: aside,
      error,
    });
  } catch (cause) {
    log.error("a corrupt spool file cannot be put aside", { file: path, error: cause });
  }
}

export function countSetAside(dir: string): number {
  try {
    return readdirSync(dir).filter((name) => /\.corrupt-\d+$/.test(name)).length;
  } catch {
    return 0;
  }
}
