// One file of the spool: webhooks on the local disk, in the order in which they were
// acknowledged. A commit has synced its log before it returns. Whoever has the file
// open holds its lock, which ends with the process, however that ends.

import { chmodSync, closeSync, fsyncSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** A webhook as it is kept: `bursar.webhook.v1.WebhookReceived` with its whole body. */
export type SpooledWebhook = {
  /** Among those that wait, each once. */
  readonly dedupeId: string;
  readonly webhook: Uint8Array;
  /** Of the request that brought it. */
  readonly traceparent: string | undefined;
};

export type SpoolRow = SpooledWebhook & { readonly id: number };

export type SpoolCount = {
  /** Those that wait for the broker. */
  readonly rows: number;
  /** Of all webhooks in the file, refused ones too. */
  readonly bytes: number;
  /** When the oldest that waits was acknowledged, in unix milliseconds. */
  readonly oldestMs: number | undefined;
  /** Those that the broker will never take as they are. */
  readonly refused: number;
};

export type SpoolFile = Disposable & {
  readonly path: string;
  /** All or none; true for each that was there already. Throws when they are not on the disk. */
  append(webhooks: readonly SpooledWebhook[], nowMs: number): boolean[];
  /** The oldest that wait, one at least where there is any. */
  oldest(most: { readonly rows: number; readonly bytes: number }): SpoolRow[];
  remove(ids: readonly number[]): void;
  /** It waits no longer, and is kept with the reason. */
  refuse(id: number, reason: string): void;
  count(): SpoolCount;
  /** Gives space back that nothing needs. */
  shrink(): void;
};

/** Another process has the file open, or this one. */
export class SpoolFileBusy extends Error {
  override name = "SpoolFileBusy";
}

/** The file is no spool file any more, or not one that this release can read. */
export class SpoolFileCorrupt extends Error {
  override name = "SpoolFileCorrupt";
}

const pageBytes = 4_096;
/** Beside the bytes of the webhooks: their ids, the index, and half-filled pages. */
const overhead = 1.5;
const schemaVersion = 1;

/** Throws a SpoolFileBusy, a SpoolFileCorrupt, or what the disk says. */
export function openSpoolFile(
  path: string,
  { bytesMax }: { readonly bytesMax: number },
): SpoolFile {
  return asSpoolFault(path, () => {
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      prepare(db, bytesMax);
      // Holds bodies of webhooks.
      chmodSync(path, 0o600);
      syncFolder(dirname(path));
      return spoolFile(db, path);
    } catch (error) {
      close(db);
      throw error;
    }
  });
}

function prepare(db: DatabaseSync, bytesMax: number): void {
  const pagesMax = Math.ceil((bytesMax * overhead) / pageBytes) + 64;
  db.exec("pragma locking_mode = exclusive");
  // Before the first page is written: it cannot be changed afterwards.
  db.exec(`pragma page_size = ${pageBytes}; pragma auto_vacuum = incremental`);
  db.exec("pragma journal_mode = wal; pragma synchronous = full");
  db.exec(`pragma max_page_count = ${pagesMax}; pragma journal_size_limit = ${1024 ** 2}`);
  const found = db.prepare("pragma quick_check(1)").get()?.["quick_check"];
  if (found !== "ok") throw new SpoolFileCorrupt(String(found));
  const version = db.prepare("pragma user_version").get()?.["user_version"];
  if (version !== 0 && version !== schemaVersion) {
    throw new SpoolFileCorrupt(`its schema is ${version}, this release knows ${schemaVersion}`);
  }
  db.exec(`
    begin exclusive;
    create table if not exists webhook (
      id integer primary key,
      dedupe_id text not null unique,
      webhook blob not null,
      traceparent text,
      spooled_ms integer not null,
      refusal text
    ) strict;
    create index if not exists waiting on webhook (id) where refusal is null;
    pragma user_version = ${schemaVersion};
    -- What was refused may be taken now: an operator has had the time to mend it.
    update webhook set refusal = null where refusal is not null;
    commit`);
}

function spoolFile(db: DatabaseSync, path: string): SpoolFile {
  const statements = prepareStatements(db);
  // Counted once: to count them at every look would read the whole file.
  const { rows, bytes, refused } = statements.counts.get()!;
  const held = { rows: Number(rows), bytes: Number(bytes), refused: Number(refused) };
  const inTransaction = <T>(work: () => T): T =>
    asSpoolFault(path, () => {
      db.exec("begin immediate");
      try {
        const result = work();
        db.exec("commit");
        return result;
      } catch (error) {
        // After some faults the database has done so by itself.
        if (db.isTransaction) db.exec("rollback");
        throw error;
      }
    });

  return {
    path,
    append(webhooks, nowMs) {
      const known = inTransaction(() => webhooks.map((one) => !insertOne(statements, one, nowMs)));
      for (const [n, { webhook }] of webhooks.entries()) {
        if (known[n]) continue;
        held.rows += 1;
        held.bytes += webhook.byteLength;
      }
      return known;
    },
    oldest: (most) => asSpoolFault(path, () => oldestOf(statements, most)),
    remove(ids) {
      const removed = inTransaction(() => ids.flatMap((id) => statements.remove.all(id)));
      held.rows -= removed.length;
      for (const row of removed) held.bytes -= Number(row["bytes"]);
    },
    refuse(id, reason) {
      inTransaction(() => statements.refuse.run(reason, id));
      held.rows -= 1;
      held.refused += 1;
    },
    count() {
      const oldest = held.rows > 0 ? statements.oldest.get()?.["spooled_ms"] : undefined;
      return { ...held, oldestMs: oldest === undefined ? undefined : Number(oldest) };
    },
    shrink: () =>
      asSpoolFault(path, () => {
        db.exec("pragma incremental_vacuum; pragma wal_checkpoint(truncate)");
      }),
    [Symbol.dispose]: () => close(db),
  };
}

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(db: DatabaseSync) {
  return {
    insert: db.prepare(
      `insert into webhook (dedupe_id, webhook, traceparent, spooled_ms) values (?, ?, ?, ?)
       on conflict do nothing`,
    ),
    sizes: db.prepare(
      "select id, length(webhook) as bytes from webhook where refusal is null order by id limit ?",
    ),
    select: db.prepare("select dedupe_id, webhook, traceparent from webhook where id = ?"),
    remove: db.prepare("delete from webhook where id = ? returning length(webhook) as bytes"),
    refuse: db.prepare("update webhook set refusal = ? where id = ?"),
    oldest: db.prepare("select spooled_ms from webhook where refusal is null order by id limit 1"),
    counts: db.prepare(
      `select count(*) filter (where refusal is null) as rows, count(refusal) as refused,
         coalesce(sum(length(webhook)), 0) as bytes
       from webhook`,
    ),
  };
}

/** False when it is there already. */
function insertOne(
  { insert }: Statements,
  { dedupeId, webhook, traceparent }: SpooledWebhook,
  nowMs: number,
): boolean {
  return insert.run(dedupeId, webhook, traceparent ?? null, nowMs).changes > 0;
}

function oldestOf(
  { sizes, select }: Statements,
  most: { readonly rows: number; readonly bytes: number },
): SpoolRow[] {
  let left = most.bytes;
  const found: SpoolRow[] = [];
  for (const size of sizes.all(most.rows)) {
    left -= Number(size["bytes"]);
    if (left < 0 && found.length > 0) break;
    const id = Number(size["id"]);
    const row = select.get(id)!;
    found.push({
      id,
      dedupeId: String(row["dedupe_id"]),
      webhook: row["webhook"] as Uint8Array,
      traceparent: (row["traceparent"] as string | null) ?? undefined,
    });
  }
  return found;
}

function close(db: DatabaseSync): void {
  try {
    db.close();
  } catch {
    // It is closed, or so broken that only the end of the process closes it.
  }
}

/** The names of new files are on the disk as well as what is in them. */
function syncFolder(folder: string): void {
  const descriptor = openSync(folder, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const busyCode = 5;
const corruptCodes = new Set([11, 26]);

/** SQLite's own codes, told apart where they mean different things to us. */
function asSpoolFault<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    // The lowest byte is the primary code.
    const code = Number((cause as { errcode?: number }).errcode) & 0xff;
    if (code === busyCode) throw new SpoolFileBusy(`${path} is open elsewhere`, { cause });
    if (corruptCodes.has(code)) throw new SpoolFileCorrupt(`${path} is corrupt`, { cause });
    throw cause;
  }
}
