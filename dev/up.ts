// `make up`: starts everything and stays until Ctrl-C, for people who want to play.

import { existsSync } from "node:fs";
import { relative } from "node:path";
import { environmentOfHouse, writeEnvironment } from "./environment.ts";
import { openHouse } from "./house.ts";
import { houseIn } from "./running.ts";
import { serviceIn } from "./services.ts";
import { bold, dim } from "./terminal.ts";
import { openTraces } from "./traces.ts";

const stop = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    stop.resolve();
    // What hangs while it starts or stops need not be waited for: our end is its end.
    process.once(signal, () => process.exit(1));
  });
}

const folder = ".bursar";
const runs = houseIn(folder);
if (runs !== undefined) {
  console.error(`Bursar already runs here; stop it first: kill -INT ${runs}`);
  process.exit(1);
}
const before = existsSync(`${folder}/pids`);
console.log(before ? "starting on the data in .bursar/ …" : "starting for the first time …");
// Closed after the house, whose services send their last spans as they stop.
const traces = process.env["TRACES"] ? await openTraces({ say: console.log }) : undefined;
const env = { ...process.env, ...(traces && { OTEL_EXPORTER_OTLP_ENDPOINT: traces.url }) };
// Folders of services of your own: SERVICES=examples/receipt-service make up
const extra = (process.env["SERVICES"] ?? "")
  .split(/[\s,]+/)
  .filter(Boolean)
  .map(serviceIn);
const house = await openHouse({ folder, env, extra, say: (line) => console.log(dim(line)) });
{
  await using _traces = traces;
  await using _house = house;
  const envFile = relative(process.cwd(), writeEnvironment(house));
  printAddresses(environmentOfHouse(house), envFile);
  await stop.promise;
  console.log("\nstopping …");
}
console.log("stopped");
process.exit(0);

function printAddresses(env: Record<string, string>, envFile: string): void {
  const address = (name: string, url: string | undefined) =>
    console.log(`  ${name.padEnd(18)} ${url}`);
  console.log(bold("\nBursar is up"));
  address("webhooks", env["BURSAR_GATEWAY_URL"]);
  address("gateway (admin)", env["BURSAR_GATEWAY_ADMIN_URL"]);
  address("ledger", env["BURSAR_LEDGER_URL"]);
  address("cms", env["BURSAR_CMS_URL"]);
  address("cms (browsers)", env["BURSAR_CMS_BROWSER_URL"]);
  for (const { name } of house.extra) address(name, house.urlOf(name));
  // Without its password, which the env file holds.
  address("broker", `nats://${new URL(env["NATS_URL"] ?? "").host}`);
  address("logs", ".bursar/logs/");
  address("traces", traces?.url ?? "TRACES=1 make up shows them");

  console.log(bold("\nTry, in another terminal in this folder:"));
  console.log(dim(`\n  source ${envFile}; export PATH="$PWD/node_modules/.bin:$PATH"\n`));
  const mutual = '--cacert "$BURSAR_CA" --cert "$BURSAR_CERT" --key "$BURSAR_KEY"';
  console.log(dim("  # a payment, signed as Stripe signs it"));
  console.log("  bin/bursar send stripe payment_intent.succeeded --amount 4900 --currency usd\n");
  console.log(dim("  # the books it made; Connect: plain JSON over HTTPS"));
  console.log(`  curl ${mutual} \\
    -H 'content-type: application/json' -d '{"ledgerId": "main"}' \\
    "$BURSAR_LEDGER_URL/bursar.ledger.v1.LedgerService/GetTrialBalance"\n`);
  console.log(dim("  # what the gateway made of it; gRPC, with the types asked from the server"));
  console.log(`  buf curl ${mutual} --protocol grpc \\
    -d '{}' "$BURSAR_GATEWAY_ADMIN_URL/bursar.webhook.v1.DeliveryService/ListDeliveries"\n`);
  console.log("Ctrl-C stops everything.");
}
