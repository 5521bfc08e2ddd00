// The certificates under `.bursar/pki`, kept alive: whatever leaf stands there beside its key is
// issued again before it ends, whoever asked for it first.

import { X509Certificate } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  type Authority,
  alternativeNames,
  issueLeaf,
  issueServerCertificate,
} from "#mesh/identity/authority.ts";
import { identityPrefix } from "#mesh/identity/tls.ts";

export type RenewalOptions = {
  readonly authority: Authority;
  readonly dir: string;
  /** Of the new certificates; a day when left out. */
  readonly lifeMs?: number | undefined;
  readonly onTrouble: (line: string) => void;
};

const dayMs = 24 * 3_600_000;
const checkMsMax = 60_000;

/** Looks after the leaves until it is disposed; each is renewed in the last third of its life. */
export function keepRenewed(options: RenewalOptions): Disposable {
  const { lifeMs = dayMs, onTrouble } = options;
  let running = false;
  const check = async () => {
    if (running) return;
    running = true;
    for (const problem of await renewAll(options)) onTrouble(problem);
    running = false;
  };
  // Also after a machine has slept: what counts is the clock, not how long we waited.
  const timer = setInterval(check, Math.min(checkMsMax, lifeMs / 12));
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** What could not be renewed, and why. */
export async function renewAll(options: Omit<RenewalOptions, "onTrouble">): Promise<string[]> {
  const problems: string[] = [];
  for (const name of leavesIn(options.dir)) {
    try {
      await renew(name, options);
    } catch (error) {
      problems.push(`the certificate of ${name} cannot be renewed: ${error}`);
    }
  }
  return problems;
}

/** With the names that it has: only its life is new. */
async function renew(name: string, { authority, dir, lifeMs }: Omit<RenewalOptions, "onTrouble">) {
  const certificate = new X509Certificate(readFileSync(join(dir, `${name}.pem`)));
  const names = alternativeNames(certificate);
  const isIdentity = names.includes(`${identityPrefix}${name}`);
  const hosts = names.filter((value) => !value.startsWith(identityPrefix));
  const leaf = { name, dir, hosts, ...(lifeMs === undefined ? {} : { lifeMs }) };
  await (isIdentity ? issueLeaf : issueServerCertificate)(authority, leaf);
}

function leavesIn(dir: string): string[] {
  const names = globSync("*-key.pem", { cwd: dir }).map((file) => basename(file, "-key.pem"));
  return names.filter((name) => name !== "ca").sort();
}
