// `.bursar/env`: where everything is and how to get in, for a shell to source.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { House } from "./house.ts";
import { constantCase } from "./ports.ts";

export function environmentOfHouse(house: House): Record<string, string> {
  const { urls, provision } = house;
  const { stripe, standard, generic } = provision.endpoints;
  const door = (endpointId: string) => `${urls.door}/v1/in/${endpointId}`;
  return {
    BURSAR_HOUSE: house.folder,
    BURSAR_GATEWAY_URL: urls.door,
    BURSAR_GATEWAY_ADMIN_URL: urls.gatewayAdmin,
    BURSAR_LEDGER_URL: urls.ledger,
    BURSAR_CMS_URL: urls.cms,
    BURSAR_CMS_BROWSER_URL: urls.cmsBrowser,
    ...urlsOfExtra(house),
    BURSAR_CA: provision.tls.dev.caFile,
    BURSAR_CERT: provision.tls.dev.certFile,
    BURSAR_KEY: provision.tls.dev.keyFile,
    BURSAR_LEARNER_JWT: provision.learnerJwt,
    BURSAR_ENDPOINTS_FILE: provision.endpointsFile,
    BURSAR_STRIPE_URL: door(stripe.endpointId),
    BURSAR_STRIPE_SECRET: stripe.secret,
    BURSAR_STANDARD_URL: door(standard.endpointId),
    BURSAR_STANDARD_SECRET: standard.secret,
    BURSAR_GENERIC_URL: door(generic.endpointId),
    BURSAR_GENERIC_SECRET: generic.secret,
    DATABASE_URL: house.databaseUrl,
    NATS_URL: house.natsUrl,
  };
}

/** `BURSAR_RECEIPT_URL` for `receipt-service`, and so on. */
function urlsOfExtra({ extra, urlOf }: House): Record<string, string> {
  return Object.fromEntries(
    extra.map(({ name, schema }) => [`BURSAR_${constantCase(schema)}_URL`, urlOf(name)]),
  );
}

/** Readable by its owner alone: it holds secrets. */
export function writeEnvironment(house: House): string {
  const path = join(house.folder, "env");
  const quoted = (value: string) => `'${value.replaceAll("'", "'\\''")}'`;
  const lines = Object.entries(environmentOfHouse(house)).map(
    ([name, value]) => `export ${name}=${quoted(value)}\n`,
  );
  writeFileSync(path, lines.join(""), { mode: 0o600 });
  return path;
}
