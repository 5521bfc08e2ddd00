// Notices that files have changed, however they are replaced: written over, renamed into place, or
// by a link that is turned to another folder, as Kubernetes does. The system tells at once where it
// can; looking again from time to time covers the rest.

import { createHash } from "node:crypto";
import { type FSWatcher, readFileSync, realpathSync, watch } from "node:fs";
import { dirname } from "node:path";

export type WatchOptions = {
  readonly files: readonly string[];
  /** Called when what the files hold is other than before. */
  readonly onChange: () => void;
  readonly pollMs?: number | undefined;
};

const pollMsDefault = 10_000;
/** Files that belong together are seldom replaced in one instant. */
const settleMs = 50;

export function watchFiles(options: WatchOptions): Disposable {
  const { files, onChange, pollMs = pollMsDefault } = options;
  const watchers = new Map<string, FSWatcher>();
  let seen = digestOf(files);
  let settling: NodeJS.Timeout | undefined;

  const look = () => {
    settling = undefined;
    watchFolders(files, watchers, soon);
    const now = digestOf(files);
    if (now === seen) return;
    seen = now;
    onChange();
  };
  const soon = () => {
    clearTimeout(settling);
    settling = setTimeout(look, settleMs);
    settling.unref();
  };
  watchFolders(files, watchers, soon);
  const polling = setInterval(look, pollMs);
  polling.unref();
  return {
    [Symbol.dispose]() {
      clearInterval(polling);
      clearTimeout(settling);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

/** The folders a file is reached through: of its name, and of what that leads to now. */
function watchFolders(
  files: readonly string[],
  watchers: Map<string, FSWatcher>,
  onEvent: () => void,
): void {
  const folders = new Set(files.flatMap((file) => [dirname(file), dirname(realPath(file))]));
  for (const [folder, watcher] of watchers) {
    if (folders.has(folder)) continue;
    watcher.close();
    watchers.delete(folder);
  }
  for (const folder of folders) {
    if (watchers.has(folder)) continue;
    try {
      const watcher = watch(folder, { persistent: false }, onEvent);
      watchers.set(folder, watcher);
      // Gone, or more than the system watches: polling goes on, and tries again.
      watcher.on("error", () => {
        watcher.close();
        watchers.delete(folder);
      });
    } catch {}
  }
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** Of what they hold: names, times and links may change without it. */
function digestOf(files: readonly string[]): string {
  const digest = createHash("sha256");
  for (const file of files) {
    try {
      const bytes = readFileSync(file);
      digest.update(`${bytes.byteLength}\n`).update(bytes);
    } catch {
      digest.update("absent\n");
    }
  }
  return digest.digest("hex");
}
