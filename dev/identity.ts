// `make identity NAME=receipt-service`: a certificate for anybody's service, from the authority
// that the house of this folder uses too. Repeated, it gives the same files while they last; a
// house that runs renews them by itself.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { ensureAuthority, issueLeaf, localHosts } from "#mesh/identity/authority.ts";
import { browserIdentity, identityPrefix } from "#mesh/identity/tls.ts";
import { dim } from "./terminal.ts";

/** The authority's own files, and the public door's certificate, which has no identity. */
const taken = ["ca", "door"];

const { name, hosts, dir } = readArguments();
const authority = await ensureAuthority(dir);
const { caFile, certFile, keyFile } = await issueLeaf(authority, {
  name,
  dir,
  hosts: [...localHosts, ...hosts],
});
const { validTo } = new X509Certificate(readFileSync(certFile));
// The variables of docs/running.md, so that a shell can take them up.
console.log(`export TLS_CA_FILE=${caFile}`);
console.log(`export TLS_CERT_FILE=${certFile}`);
console.log(`export TLS_KEY_FILE=${keyFile}`);
console.error(dim(`${identityPrefix}${name}, until ${validTo}; the same command renews it`));

function readArguments() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        host: { type: "string", multiple: true, default: [] },
        dir: { type: "string", default: ".bursar/pki" },
      },
    });
    const [name = "", ...others] = positionals;
    if (!/^[a-z][a-z0-9-]*$/.test(name) || others.length > 0) {
      throw new Error("name one identity: lower-case letters, digits and dashes");
    }
    if (`${identityPrefix}${name}` === browserIdentity) {
      throw new Error(`${name} is every page in a browser: no certificate proves it`);
    }
    if (taken.includes(name)) throw new Error(`${name} is the name of another file there`);
    return { name, hosts: values.host, dir: resolve(values.dir) };
  } catch (error) {
    console.error(`${(error as Error).message}

usage: make identity NAME=receipt-service
       node dev/identity.ts receipt-service [--host receipt.internal]… [--dir .bursar/pki]`);
    process.exit(2);
  }
}
