// Certificates and access of the measured pair, in a folder that goes with them.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority, issueLeaf } from "#mesh/identity/authority.ts";
import { identityPrefix } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";

export type BenchPki = Disposable & {
  readonly server: { readonly tls: TlsFiles; readonly accessFile: string };
  readonly client: TlsFiles;
};

export async function openBenchPki(): Promise<BenchPki> {
  const dir = mkdtempSync(join(tmpdir(), "bursar-bench-"));
  const authority = await ensureAuthority(dir);
  const accessFile = join(dir, "access.json");
  const grant = { identity: `${identityPrefix}bench`, scopes: ["*.*.*"], ledgerIds: ["*"] };
  writeFileSync(accessFile, JSON.stringify({ grants: [grant] }));
  return {
    server: { tls: await issueLeaf(authority, { name: "ledger-service", dir }), accessFile },
    client: await issueLeaf(authority, { name: "bench", dir }),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}
