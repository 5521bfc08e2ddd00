// The spool: where a webhook is made durable while the broker cannot do it. Webhooks
// that come together share one sync. It is bounded; what it cannot take, for whatever
// reason, is not durable, and nobody is told that it is.

import assert from "node:assert/strict";
import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { toBinary } from "@bufbuild/protobuf";
import { type WebhookReceived, WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { describeProblems, validate } from "#mesh/policy/validation.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import { currentTraceparent } from "#mesh/telemetry/trace.ts";
import { dedupeIdOf } from "../webhook.ts";
import { createSpoolMetrics, type SpoolMetrics } from "./metrics.ts";
import { setAside } from "./set-aside.ts";
import {
  openSpoolFile,
  type SpooledWebhook,
  type SpoolFile,
  SpoolFileBusy,
  SpoolFileCorrupt,
} from "./spool-file.ts";

export type Spool = Disposable & {
  readonly dir: string;
  readonly bytesMax: number;
  readonly metrics: SpoolMetrics;
  /** All of them, or none. Resolves once they are on the disk. */
  append(webhooks: readonly WebhookReceived[]): Promise<Taken>;
  /** The file of this process; undefined while none can be opened. */
  file(): SpoolFile | undefined;
  /** For whoever meets a fault in a file: puts it aside where it is corrupt. */
  broken(file: SpoolFile, fault: unknown): void;
};

export type Taken =
  | { readonly durable: true; readonly duplicate: boolean }
  | { readonly durable: false };

export type SpoolOptions = {
  readonly dir: string;
  /** Number of the process among those of one gateway. */
  readonly worker: number;
  /** Bytes of webhooks, a file. */
  readonly bytesMax: number;
  readonly log: Log;
  readonly metrics: Metrics;
};

export const spoolRowsMax = 1_000_000;
/** So that no commit holds up what else the process does for more than some milliseconds. */
const groupRowsMax = 250;
const groupBytesMax = 1024 ** 2;
/** Of processes with one number: while one is replaced by the next there are two. */
const twinsMax = 16;
const openAgainMs = 1_000;
/** What others need of the disk, and what it takes to delete from a file. */
const freeBytesMin = 16 * 1024 ** 2;
/** A webhook is written to the log first, and to the file later. */
const overhead = 2;

type Waiting = {
  readonly webhooks: readonly SpooledWebhook[];
  readonly bytes: number;
  readonly resolve: (taken: Taken) => void;
};

export function openSpool(options: SpoolOptions): Spool {
  const { dir, bytesMax, log } = options;
  const metrics = createSpoolMetrics(options.metrics, { dir, bytesMax });
  const report = createReport(log);
  let file: SpoolFile | undefined;
  let openedAt = Number.NEGATIVE_INFINITY;
  let closed = false;
  const waiting: Waiting[] = [];
  const held = { rows: 0, bytes: 0 };

  function currentFile(): SpoolFile | undefined {
    const again = performance.now() - openedAt >= openAgainMs;
    if (file || closed || !again) return file;
    openedAt = performance.now();
    try {
      file = openOwnFile(options);
      metrics.files.add(file);
    } catch (error) {
      log.error("the spool cannot be opened: while the broker is away providers get 503", {
        dir,
        error,
      });
    }
    return file;
  }

  function broken(which: SpoolFile, fault: unknown): void {
    report(fault);
    if (!(fault instanceof SpoolFileCorrupt)) return;
    metrics.files.delete(which);
    which[Symbol.dispose]();
    if (which === file) file = undefined;
    setAside(which.path, log, fault);
    openedAt = Number.NEGATIVE_INFINITY;
  }

  function flush(): void {
    const group = takeGroup(waiting);
    const rows = group.flatMap(({ webhooks }) => webhooks);
    const known = commit(rows);
    let n = 0;
    for (const { webhooks, bytes, resolve } of group) {
      held.rows -= webhooks.length;
      held.bytes -= bytes;
      const mine = known?.slice(n, n + webhooks.length);
      n += webhooks.length;
      resolve(mine ? { durable: true, duplicate: mine.every(Boolean) } : { durable: false });
    }
    if (waiting.length > 0) setImmediate(flush);
  }

  function commit(rows: readonly SpooledWebhook[]): readonly boolean[] | undefined {
    const into = currentFile();
    if (!into) return undefined;
    const started = performance.now();
    try {
      const known = into.append(rows, Date.now());
      metrics.commitSeconds.observe({}, (performance.now() - started) / 1_000);
      metrics.spooled.inc(known.filter((it) => !it).length);
      return known;
    } catch (fault) {
      broken(into, fault);
      return undefined;
    }
  }

  function hasRoom({ rows, bytes }: { readonly rows: number; readonly bytes: number }): boolean {
    const there = currentFile()?.count();
    if (!there) return false;
    if (there.bytes + held.bytes + bytes > bytesMax) return false;
    if (freeBytes(dir) < freeBytesMin + overhead * (held.bytes + bytes)) return false;
    return there.rows + there.refused + held.rows + rows <= spoolRowsMax;
  }

  // At once, so that what another life of this process left behind is drained.
  currentFile();
  return {
    dir,
    bytesMax,
    metrics,
    file: currentFile,
    broken,
    append(webhooks) {
      const rows = webhooks.map(toSpool);
      const bytes = rows.reduce((sum, { webhook }) => sum + webhook.byteLength, 0);
      if (!hasRoom({ rows: rows.length, bytes })) {
        report(new Error(`the spool in ${dir} is full or cannot be opened`));
        return Promise.resolve({ durable: false });
      }
      const { promise, resolve } = Promise.withResolvers<Taken>();
      held.rows += rows.length;
      held.bytes += bytes;
      // The event loop first reads what has arrived with the first.
      if (waiting.push({ webhooks: rows, bytes, resolve }) === 1) setImmediate(flush);
      return promise;
    },
    [Symbol.dispose]() {
      while (waiting.length > 0) flush();
      closed = true;
      if (file) metrics.files.delete(file);
      file?.[Symbol.dispose]();
      file = undefined;
    },
  };
}

/** The first of this process's names that no other process holds. */
function openOwnFile({ dir, worker, bytesMax, log }: SpoolOptions): SpoolFile {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (let twin = 0; twin < twinsMax; twin++) {
    const path = join(dir, twin === 0 ? `spool-${worker}.db` : `spool-${worker}.${twin}.db`);
    try {
      return openOrReplace(path, bytesMax, log);
    } catch (error) {
      if (!(error instanceof SpoolFileBusy)) throw error;
    }
  }
  throw new SpoolFileBusy(`all ${twinsMax} files of worker ${worker} in ${dir} are open elsewhere`);
}

function openOrReplace(path: string, bytesMax: number, log: Log): SpoolFile {
  try {
    return openSpoolFile(path, { bytesMax });
  } catch (error) {
    if (!(error instanceof SpoolFileCorrupt)) throw error;
    setAside(path, log, error);
    return openSpoolFile(path, { bytesMax });
  }
}

/** Zero where nobody can tell: what is not known to have room is not taken. */
function freeBytes(dir: string): number {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch {
    return 0;
  }
}

function toSpool(webhook: WebhookReceived): SpooledWebhook {
  const problems = validate(WebhookReceivedSchema, webhook);
  assert(problems.length === 0, `the webhook is invalid: ${describeProblems(problems)}`);
  return {
    dedupeId: dedupeIdOf(webhook),
    webhook: toBinary(WebhookReceivedSchema, webhook),
    traceparent: currentTraceparent(),
  };
}

function takeGroup(waiting: Waiting[]): Waiting[] {
  let rows = 0;
  let bytes = 0;
  const end = waiting.findIndex((one, n) => {
    rows += one.webhooks.length;
    bytes += one.bytes;
    return n > 0 && (rows > groupRowsMax || bytes > groupBytesMax);
  });
  return waiting.splice(0, end === -1 ? waiting.length : end);
}

const reportIntervalMs = 1_000;

/** One line a second however many webhooks find no room. */
function createReport(log: Log): (fault: unknown) => void {
  let reportedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    if (performance.now() - reportedAt < reportIntervalMs) return;
    reportedAt = performance.now();
    log.error("the spool takes no webhooks; their senders are asked to try again", { error });
  };
}
