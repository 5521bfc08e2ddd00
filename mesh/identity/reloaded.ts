// Something that files hold, read at start and again whenever they change. What is not valid is
// never taken: the one before stays, and the log says once what is wrong.

import type { Log } from "../process/log.ts";
import type { Metrics } from "../process/metrics.ts";
import { watchFiles } from "./watch-files.ts";

export type Reloaded<T> = Disposable & { readonly current: T };

export type ReloadedOptions<T> = {
  /** What it is, for the log and the metric: `access configuration`. */
  readonly what: string;
  readonly files: readonly string[];
  /** Throws with everything that is wrong. `before` is what is in force, if anything is. */
  readonly read: (before: T | undefined) => T;
  readonly onChange?: (value: T) => void;
  readonly log?: Log | undefined;
  readonly metrics?: Metrics | undefined;
  readonly pollMs?: number | undefined;
};

/** Throws when the files are not valid at start. */
export function openReloaded<T>(options: ReloadedOptions<T>): Reloaded<T> {
  const { what, files, read, onChange, log, metrics, pollMs } = options;
  const reloads = metrics?.counter({
    name: "bursar_identity_reloads_total",
    help: "Changed files of certificates, access and keys, by whether they were taken",
    labels: ["what", "outcome"],
  });
  const state: { current?: T } = {};
  const reload = () => {
    try {
      const next = read(state.current);
      onChange?.(next);
      state.current = next;
    } catch (error) {
      reloads?.inc({ what, outcome: "refused" });
      log?.error(`${what}: what changed is not valid, what was before stays`, { error, files });
      return;
    }
    reloads?.inc({ what, outcome: "taken" });
    log?.info(`${what}: what changed is in force`, { files });
  };
  // Watched from before they are read, so that no change falls in between.
  const watched = watchFiles({ files, onChange: reload, pollMs });
  try {
    state.current = read(undefined);
  } catch (error) {
    watched[Symbol.dispose]();
    throw error;
  }
  return {
    get current() {
      return state.current as T;
    },
    [Symbol.dispose]: () => watched[Symbol.dispose](),
  };
}
