// What a house runs besides its servers: Bursar's own services, and whatever is added to them. A
// service is a name, a file that Node runs, and a schema of its own in the database.

import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";

export type HouseService = {
  /** Last part of its identity. */
  readonly name: string;
  /** File that Node runs. */
  readonly main: string;
  readonly schema: string;
  /** First part of the names of its durable consumers; its name when left out. */
  readonly durable?: string;
  /** What it may do when it calls other services: nothing when left out. */
  readonly scopes?: readonly string[];
  readonly ledgerIds?: readonly string[];
  /** Variables beside those that every service gets. */
  readonly env?: Readonly<Record<string, string>>;
};

export const serviceNames = ["ledger-service", "cms-service", "webhook-gateway"] as const;
export type ServiceName = (typeof serviceNames)[number];

const root = resolve(import.meta.dirname, "..");
const mainOf = (name: ServiceName) => join(root, name, "main.ts");

/** Bursar's own, in the order in which they are started. */
export const ownServices: readonly (HouseService & { readonly name: ServiceName })[] = [
  { name: "ledger-service", main: mainOf("ledger-service"), schema: "ledger" },
  { name: "cms-service", main: mainOf("cms-service"), schema: "cms" },
  // Its consumer is the normaliser, `gateway-WEBHOOKS`.
  {
    name: "webhook-gateway",
    main: mainOf("webhook-gateway"),
    schema: "gateway",
    durable: "gateway",
  },
];

/** One more from its folder: `examples/receipt-service` has `main.ts`, its schema is `receipt`. */
export function serviceIn(folder: string): HouseService {
  const name = basename(resolve(folder));
  if (!/^[a-z][a-z0-9-]*$/.test(name)) {
    throw new Error(`${name} is no name of a service: lower-case letters, digits and dashes`);
  }
  const main = resolve(folder, "main.ts");
  if (!existsSync(main)) throw new Error(`${main} is not there: it is what starts the service`);
  const schema = name.replace(/-service$/, "").replaceAll("-", "_");
  return { name, main, schema };
}
