// Certificates for tests: an authority of their own in a temporary folder.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Authority,
  ensureAuthority,
  issueLeaf,
  type LeafOptions,
} from "../identity/authority.ts";
import type { TlsFiles } from "../process/config.ts";

export type TestCertificates = AsyncDisposable & {
  readonly dir: string;
  readonly caFile: string;
  readonly authority: Authority;
  /** Files of a certificate for `spiffe://bursar/<name>`; the same files for the same name. */
  identity(name: string, over?: Pick<LeafOptions, "lifeMs">): Promise<TlsFiles>;
};

/** An authority of their own, or the one that is given. */
export async function testCertificates(signer?: Authority): Promise<TestCertificates> {
  const dir = mkdtempSync(join(tmpdir(), "bursar-certificates-"));
  const authority = signer ?? (await ensureAuthority(dir));
  return {
    dir,
    caFile: authority.caFile,
    authority,
    identity: (name, over) => issueLeaf(authority, { name, dir, ...over }),
    async [Symbol.asyncDispose]() {
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
