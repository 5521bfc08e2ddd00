// Sends one signed event to a house that `make up` started; its addresses and
// secrets come from the sourced `.bursar/env`.
//   node dev/send.ts stripe payment_intent.succeeded --amount 4900 --currency usd --order ord_…

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  openSender,
  type SignedRequest,
  signAsGeneric,
  signAsStandard,
  signAsStripe,
} from "./provider.ts";
import { samples } from "./sample-events.ts";
import { stripeId } from "./stripe-events.ts";

const options = {
  amount: { type: "string", default: "4900" },
  currency: { type: "string", default: "usd" },
  order: { type: "string" },
  payment: { type: "string" },
  id: { type: "string" },
  help: { type: "boolean", short: "h", default: false },
} as const;

const { provider, type, asked } = readArguments();
const event = samples.get(provider)?.[type]?.(asked);
if (event === undefined) {
  refuse(samples.has(provider) ? `${provider} has no type ${type}` : "no such provider");
}
const name = `BURSAR_${provider.toUpperCase()}`;
const url = fromHouse(`${name}_URL`);
using sender = openSender({ ca: readFileSync(fromHouse("BURSAR_CA"), "utf8") });
const signed = sign(event, fromHouse(`${name}_SECRET`));
const answer = await sender.post(url, signed);
console.log(signed.body);
console.log(`${answer.status} in ${answer.elapsedMs.toFixed(0)} ms ${answer.body}`);
process.exitCode = answer.status === 200 ? 0 : 1;

function readArguments() {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options });
    const [provider = "", type = "", ...others] = positionals;
    if (values.help) {
      console.log(usage());
      process.exit(0);
    }
    if (others.length > 0) refuse(`${others.join(" ")} is too much`);
    const amount = Number(values.amount);
    if (!/^\d+$/.test(values.amount) || !Number.isSafeInteger(amount)) {
      refuse(`--amount is a whole number of minor units, not ${values.amount}`);
    }
    const { currency, order: orderId, payment: paymentId, id } = values;
    return { provider, type, asked: { amount, currency, orderId, paymentId, id } };
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function sign(event: object, secret: string): SignedRequest {
  if (provider === "stripe") return signAsStripe(event, secret);
  if (provider === "generic") return signAsGeneric(event, secret);
  return signAsStandard({ id: stripeId("msg"), payload: event }, secret);
}

function fromHouse(variable: string): string {
  const value = process.env[variable];
  if (value) return value;
  console.error(`${variable} is not set: run \`make up\`, then \`source .bursar/env\``);
  process.exit(2);
}

function refuse(problem: string): never {
  console.error(`${problem}\n\n${usage()}`);
  process.exit(2);
}

function usage(): string {
  const types = [...samples].map(([provider, makers]) => {
    return `  ${provider.padEnd(9)} ${Object.keys(makers).join(`\n${" ".repeat(12)}`)}`;
  });
  return `usage: node dev/send.ts <provider> <type> [options]

providers and their types:
${types.join("\n")}

options:
  --amount 4900    in the currency's minor units, as the provider counts them
  --currency usd
  --order ord_…    the order that is paid; without it the payment has none
  --payment pi_…   the payment it is about; without it a new one
  --id re_…        the refund, dispute or payout; without it a new one`;
}
