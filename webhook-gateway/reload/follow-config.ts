// Follows the configuration file and the secrets it names while the gateway runs.
// What they hold is looked at every second: that sees every way of replacing a file,
// renamed over, written in place, or by a link that is turned. A change counts when it
// has stood still, so that nobody works by half a file, and only when all of it is
// sound; until then what ran before runs on.

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfigError } from "#mesh/process/config.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { decodeConfig, secretFilesOf } from "../endpoints/decode.ts";
import { readEndpointsText } from "../endpoints.ts";
import type { InForce } from "../judge.ts";
import { createReloadMetrics } from "./reload-metrics.ts";

export type FollowOptions = {
  readonly file: string;
  /** By which the gateway works already. */
  readonly text: string;
  /** Works by it from now on; throws ConfigError with everything that is wrong. */
  readonly take: (text: string) => Promise<void>;
  readonly endpoints: InForce;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly now?: () => Date;
  readonly pollMs?: number;
};

const pollMsDefault = 1_000;
/** A change that stands still for so long is complete. */
const settleMsMax = 250;

/** Also looks, and says so, at a SIGHUP. */
export function followConfig(options: FollowOptions): Disposable {
  const { file, log, pollMs = pollMsDefault, now = () => new Date() } = options;
  const settleMs = Math.min(settleMsMax, pollMs);
  const measure = createReloadMetrics(options.metrics, options.endpoints, now);
  const secretFiles = rememberSecretFiles();
  const digestWith = (text: string | undefined) => digestOf(text, secretFiles(text));
  let judged: string | undefined = digestWith(options.text);
  let pending: { readonly digest: string; readonly sinceMs: number } | undefined;
  let taking = false;
  let settling: NodeJS.Timeout | undefined;

  const look = () => {
    if (taking) return;
    const text = readIfAny(file);
    const digest = digestWith(text);
    if (digest === judged) {
      pending = undefined;
    } else if (digest === pending?.digest) {
      if (performance.now() - pending.sinceMs < settleMs) return;
      taking = true;
      void take(text, digest).finally(() => {
        taking = false;
      });
    } else {
      pending = { digest, sinceMs: performance.now() };
      clearTimeout(settling);
      // A timer may fire a moment early.
      settling = setTimeout(look, settleMs + 5).unref();
    }
  };
  const take = async (text: string | undefined, digest: string) => {
    judged = digest;
    pending = undefined;
    try {
      // A file that cannot be read says why when it is read once more.
      await options.take(text ?? readEndpointsText(file));
      measure.taken();
      log.info("the configuration was reloaded", { file });
    } catch (error) {
      measure.refused();
      const problems = error instanceof ConfigError ? { problems: error.problems } : { error };
      log.error("the changed configuration is refused; the one before stays", {
        file,
        ...problems,
      });
    }
  };
  const lookAnew = () => {
    judged = undefined;
    pending = undefined;
    look();
  };

  const polling = setInterval(look, pollMs).unref();
  process.on("SIGHUP", lookAnew);
  return {
    [Symbol.dispose]() {
      process.off("SIGHUP", lookAnew);
      clearInterval(polling);
      clearTimeout(settling);
    },
  };
}

/** The files that the text names; of a text that names none, those of the one before. */
function rememberSecretFiles(): (text: string | undefined) => readonly string[] {
  let last: { readonly text: string; readonly files: readonly string[] } = { text: "", files: [] };
  return (text) => {
    if (text !== undefined && text !== last.text) {
      const files = secretFilesOf(decodeConfig(text).config);
      last = { text, files: files.length > 0 ? files : last.files };
    }
    return last.files;
  };
}

/** Of what the files hold: names, times and links may change without it. */
function digestOf(text: string | undefined, secretFiles: readonly string[]): string {
  const parts = [text, ...secretFiles.map(readIfAny)];
  return hash(
    "sha256",
    parts.map((part) => (part === undefined ? "" : hash("sha256", part))).join(),
  );
}

function readIfAny(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
