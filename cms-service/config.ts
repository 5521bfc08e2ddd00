// What the course service reads from its environment beside what every service does.

import { type Env, readEnv } from "#mesh/process/config.ts";

export type CmsConfig = ReturnType<typeof readCmsConfig>;

export function readCmsConfig(env: Env) {
  return readEnv(env, (read) => ({
    /** Where the ledger's RPCs are; without it, grants cannot be reconciled. */
    ledgerUrl: read.optional("BURSAR_LEDGER_URL"),
    certificates: {
      /** A JSON Web Key Set with private keys; without it, no certificate can be issued. */
      keysFile: read.optionalFile("CERTIFICATE_KEYS_FILE"),
      /** Who says what certificates say, such as `https://school.example`. */
      issuer: read.text("CERTIFICATE_ISSUER", "bursar"),
    },
  }));
}
