// Spool files of processes that are gone: of a worker that no longer runs, or of one
// that died. A file that nobody holds is an orphan; whoever opens it first has it.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Log } from "#mesh/process/log.ts";
import { setAside } from "./set-aside.ts";
import type { Spool } from "./spool.ts";
import { openSpoolFile, type SpoolFile, SpoolFileBusy, SpoolFileCorrupt } from "./spool-file.ts";

/** One after the other, each with its lock; the caller closes it before it asks for the next. */
export function* openOrphans(spool: Spool, log: Log): Generator<SpoolFile> {
  const { dir, bytesMax } = spool;
  const own = spool.file()?.path;
  for (const name of readdirSync(dir).sort()) {
    const path = join(dir, name);
    if (!/^spool-\d+(\.\d+)?\.db$/.test(name) || path === own) continue;
    const orphan = openOrphan(path, bytesMax, log);
    if (orphan) yield orphan;
  }
}

/** Undefined when somebody has it, or nobody can read it. */
function openOrphan(path: string, bytesMax: number, log: Log): SpoolFile | undefined {
  try {
    return openSpoolFile(path, { bytesMax });
  } catch (error) {
    if (error instanceof SpoolFileBusy) return undefined;
    if (error instanceof SpoolFileCorrupt) setAside(path, log, error);
    else log.warn("a spool file of another process cannot be opened", { file: path, error });
    return undefined;
  }
}
