// The contract as a package of npm: generated JavaScript with declarations, the protos themselves
// and each service's gRPC service config. Who calls Bursar installs it and needs nothing of this
// repository.

import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DescFile } from "@bufbuild/protobuf";
import { serviceConfigOf } from "#mesh/rpc/client/service-config.ts";
import { builtSchema } from "../schema.ts";

const template = "contracts/package/buf.gen.yaml";

/** Makes the package in the folder, which is emptied first; returns the path of the tarball. */
export function packClient(folder: string): string {
  const own = join(resolve(folder), "package");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  run("node_modules/.bin/buf", ["generate", "--template", template, "--output", own]);
  cpSync("proto", join(own, "proto"), { recursive: true });
  cpSync("proto-foreign/buf", join(own, "proto/buf"), { recursive: true });

  const byPackage = [...Map.groupBy(ownFiles(), ({ proto }) => proto.package)].sort();
  for (const [name, files] of byPackage) writeEntry(own, name, files);
  mkdirSync(join(own, "service-config"));
  for (const service of byPackage.flatMap(([, files]) => files.flatMap((file) => file.services))) {
    const config = `${JSON.stringify(serviceConfigOf(service), null, 2)}\n`;
    writeFileSync(join(own, "service-config", `${service.typeName}.json`), config);
  }
  const names = byPackage.map(([name]) => name);
  writeFileSync(join(own, "package.json"), `${JSON.stringify(manifest(names), null, 2)}\n`);
  writeFileSync(join(own, "README.md"), readme(names));
  const packed = run("npm", ["pack", "--silent", "--pack-destination", resolve(folder)], own);
  return join(resolve(folder), packed.trim());
}

function ownFiles(): DescFile[] {
  return [...builtSchema(".").files]
    .filter(({ proto }) => proto.package.startsWith("bursar."))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** `bursar.ledger.v1` is imported as `@bursar/client/ledger/v1`: all of its files at once. */
function writeEntry(own: string, packageName: string, files: readonly DescFile[]): void {
  const lines = files.map(({ name }) => `export * from "./${name.replace(/^.*\//, "")}_pb.js";\n`);
  const path = join(own, "js", packageName.replaceAll(".", "/"), "all");
  writeFileSync(`${path}.js`, lines.join(""));
  writeFileSync(`${path}.d.ts`, lines.join(""));
}

function manifest(packageNames: readonly string[]) {
  const { version, dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
  const entries = packageNames.map((name) => {
    const path = name.replaceAll(".", "/");
    const entry = { types: `./js/${path}/all.d.ts`, default: `./js/${path}/all.js` };
    return [`./${path.replace(/^bursar\//, "")}`, entry] as const;
  });
  const needed = ["@bufbuild/protobuf", "@bufbuild/protovalidate"];
  return {
    name: "@bursar/client",
    version,
    description: "Bursar's contracts: clients for its services and types of its events",
    type: "module",
    sideEffects: false,
    engines: { node: ">=20" },
    exports: {
      ...Object.fromEntries(entries),
      "./service-config/*": "./service-config/*",
      "./proto/*": "./proto/*",
      "./package.json": "./package.json",
    },
    files: ["js", "proto", "service-config"],
    // What generated code asks of its runtime: that minor version or a later one.
    dependencies: Object.fromEntries(needed.map((name) => [name, `^${dependencies[name]}`])),
  };
}

function readme(packageNames: readonly string[]): string {
  const entries = packageNames.map((name) => {
    return `- \`@bursar/client/${name.replace(/^bursar\./, "").replaceAll(".", "/")}\``;
  });
  return `# Bursar's contracts

Clients for Bursar's services and types of its events, generated from the protos beside them. For a
service on Node, with a certificate of the mesh:

\`\`\`sh
npm install @connectrpc/connect @connectrpc/connect-node
\`\`\`

\`\`\`js
import { readFileSync } from "node:fs";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { LedgerService } from "@bursar/client/ledger/v1";

const transport = createConnectTransport({
  baseUrl: process.env.BURSAR_LEDGER_URL,
  httpVersion: "2",
  nodeOptions: {
    ca: readFileSync(process.env.BURSAR_CA),
    cert: readFileSync(process.env.BURSAR_CERT),
    key: readFileSync(process.env.BURSAR_KEY),
  },
});
const ledger = createClient(LedgerService, transport);
console.log(await ledger.listLedgers({}, { timeoutMs: 1_000 }));
\`\`\`

Amounts are \`bigint\`, in minor units. An error's details say why: \`RequestRefusal\` of
\`@bursar/client/mesh/v1\`, and the refusals of each service.

What there is to import:

${entries.join("\n")}

\`proto/\` has the files for tools that read them. \`service-config/<service>.json\` is a gRPC
service config: deadlines, retries and hedging as the schema's policies allow them, for libraries
that speak gRPC and not Connect.
`;
}

function run(command: string, args: readonly string[], cwd = "."): string {
  return execFileSync(command, args, { cwd, encoding: "utf8", maxBuffer: 2 ** 26 });
}
