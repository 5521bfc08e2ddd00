// Compiled code is kept between runs, types already stripped: half of the CPU time of a start, and
// 25 MiB (measured). Node looks for it from here on, so this runs before a service is imported.
// NODE_COMPILE_CACHE names another folder, spares the entry itself too, and is better still.

import { lstatSync, mkdirSync } from "node:fs";
import { constants, enableCompileCache, flushCompileCache, getCompileCacheDir } from "node:module";
import { fileURLToPath } from "node:url";

/** As private as the code that stands beside it, and gone with `make clean`. */
export const compiledFolder = fileURLToPath(
  new URL("../../node_modules/.cache/bursar-compiled", import.meta.url),
);

/** False: nothing is kept, and all else is as usual. It never throws. */
export function keepCompiled(folder: string = compiledFolder): boolean {
  // The operator's own choice, or a second call.
  if (getCompileCacheDir() !== undefined) return true;
  if (!isOurs(folder)) return false;
  const { ENABLED, ALREADY_ENABLED } = constants.compileCacheStatus;
  const { status } = enableCompileCache(folder);
  return status === ENABLED || status === ALREADY_ENABLED;
}

/** What was compiled so far is written down: a process that is killed would forget it. */
export function writeCompiled(): void {
  if (getCompileCacheDir() !== undefined) flushCompileCache();
}

/** Whoever may write there decides what we run. */
function isOurs(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    return found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0;
  } catch {
    return false;
  }
}
