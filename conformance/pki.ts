// Certificates of both programs: an authority of their own in a folder that goes
// when they do, and the access that the runner's identity has.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureAuthority, issueLeaf } from "#mesh/identity/authority.ts";
import { identityPrefix } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { callerName, scope } from "./schema.ts";

export type Pki = Disposable & {
  /** Certificate of `spiffe://bursar/<name>`, good for localhost. */
  leaf(name: string): Promise<TlsFiles>;
  file(name: string, content: string | Uint8Array): string;
  /** An AccessConfig in which the runner may call the service, and nobody else anything. */
  accessFile(): string;
};

export async function openPki(): Promise<Pki> {
  const dir = mkdtempSync(join(tmpdir(), "bursar-conformance-"));
  const authority = await ensureAuthority(dir);
  function file(name: string, content: string | Uint8Array): string {
    const path = join(dir, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }
  return {
    leaf: (name) => issueLeaf(authority, { name, dir }),
    file,
    accessFile() {
      const grants = [{ identity: `${identityPrefix}${callerName}`, scopes: [scope] }];
      return file("access.json", JSON.stringify({ grants }));
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}
