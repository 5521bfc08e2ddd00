// A load of webhooks from a process of its own: so many connections, each sending
// the next request when it has its answer, for a fixed time. Prints one JSON line.
//   node bench/load.ts '{"url": …, "connections": 64, "seconds": 5, …}'

import { readFileSync } from "node:fs";
import { openSender, signAsStripe } from "#dev/provider.ts";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";

export type LoadOptions = {
  readonly url: string;
  readonly caFile: string;
  readonly secret: string;
  readonly connections: number;
  readonly seconds: number;
};

export type LoadResult = {
  readonly acked: number;
  readonly refused: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

if (process.argv[1]?.endsWith("/load.ts")) {
  const options = JSON.parse(process.argv[2] ?? "") as LoadOptions;
  process.stdout.write(JSON.stringify(await run(options)));
}

async function run(options: LoadOptions): Promise<LoadResult> {
  const { url, secret, connections, seconds } = options;
  const ca = readFileSync(options.caFile, "utf8");
  using sender = openSender({ ca, connectionsMax: connections });
  const latenciesMs: number[] = [];
  let refused = 0;
  // The connections are opened and the code is warm before the clock starts.
  await sendFor(1_000, () => {});
  const startMs = performance.now();
  await sendFor(seconds * 1_000, (status, elapsedMs) => {
    if (status === 200) latenciesMs.push(elapsedMs);
    else refused += 1;
  });
  const elapsedSeconds = (performance.now() - startMs) / 1_000;
  latenciesMs.sort((a, b) => a - b);
  return {
    acked: latenciesMs.length,
    refused,
    perSecond: latenciesMs.length / elapsedSeconds,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };

  async function sendFor(forMs: number, note: (status: number, elapsedMs: number) => void) {
    const endMs = performance.now() + forMs;
    const connection = async () => {
      while (performance.now() < endMs) {
        const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId: "none" });
        const signed = signAsStripe(paymentIntentSucceeded(payment), secret);
        const { status, elapsedMs } = await sender.post(url, signed);
        note(status, elapsedMs);
      }
    };
    await Promise.all(Array.from({ length: connections }, connection));
  }
}

export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
