// The ports of a house, chosen once and kept in its folder: a provider or a
// terminal that was given an address finds it again after the next start.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { freePort } from "./child.ts";

const variables = {
  postgres: "BURSAR_POSTGRES_PORT",
  nats: "BURSAR_NATS_PORT",
  "ledger-service": "BURSAR_LEDGER_PORT",
  "cms-service": "BURSAR_CMS_PORT",
  cmsBrowser: "BURSAR_CMS_BROWSER_PORT",
  "webhook-gateway": "BURSAR_GATEWAY_ADMIN_PORT",
  door: "BURSAR_GATEWAY_PORT",
} as const;

export type Ports = Readonly<Record<keyof typeof variables, number>> & {
  /** Of a service that was added to the house. */
  of(service: string): number;
};

/** A port from the environment is used as it is; a kept one as long as nobody else has it. */
export async function keptPorts(
  folder: string,
  env: NodeJS.ProcessEnv,
  extra: readonly string[] = [],
): Promise<Ports> {
  const file = join(folder, "ports.json");
  const kept: Record<string, number> = existsSync(file)
    ? JSON.parse(readFileSync(file, "utf8"))
    : {};
  const ports: Record<string, number> = {};
  const added = extra.map((name): [string, string] => [name, `BURSAR_${constantCase(name)}_PORT`]);
  for (const [name, variable] of [...Object.entries(variables), ...added]) {
    const before = kept[name] ?? 0;
    const given = Number(env[variable]);
    ports[name] = given || ((await isFree(before)) ? before : await freePort());
  }
  // Ports of services that are not there this time are theirs when they come back.
  writeFileSync(file, `${JSON.stringify({ ...kept, ...ports }, null, 2)}\n`);
  const of = (service: string) => {
    const port = ports[service];
    if (port === undefined) throw new Error(`this house has no port for ${service}`);
    return port;
  };
  return { ...(ports as Record<keyof typeof variables, number>), of };
}

export function constantCase(name: string): string {
  return name.toUpperCase().replaceAll("-", "_");
}

function isFree(port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(false);
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
