// Valid requests of every registered provider, changed at random. CI tries some;
// `MUTATIONS=1000000 vitest run webhook-gateway/mutations.test.ts` tries many.

import { expect, test } from "vitest";
import { authenticate, readRequest, trustOf } from "./authenticate.ts";
import { type Mutable, mutable } from "./testing/mutable.ts";
import { mutate, type Request, seededRandom } from "./testing/mutate.ts";
import { providerSamples } from "./testing/provider-samples.ts";
import { signedPart } from "./testing/signed-part.ts";
import { webhooksOf } from "./webhook.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
const mutations = Number(process.env["MUTATIONS"] ?? 20_000);
console.log(`mutations.test.ts: SEED=${seed} MUTATIONS=${mutations}`);

const now = new Date();
const samples = providerSamples().map((sample) => mutable(sample, now));

test.each(samples.map((sample) => [sample.name, sample] as const))(
  "%s: what it signed itself is accepted",
  (_, sample) => {
    expect(judge(sample, sample.request)).toMatchObject({ accepted: true, same: true });
  },
);

test("no changed request is accepted unless what is signed of it is the same", () => {
  const random = seededRandom(seed);
  const counts = { accepted: 0, refused: new Map<string, number>() };
  const rssMiB: number[] = [];
  for (let n = 0; n < mutations; n++) {
    if (n % Math.ceil(mutations / 8) === 0) rssMiB.push(process.memoryUsage().rss / 1024 ** 2);
    const sample = samples[n % samples.length]!;
    const changed = mutate(sample.request, random);
    const verdict = judge(sample, changed);
    if (!verdict.accepted) {
      counts.refused.set(verdict.reason, 1 + (counts.refused.get(verdict.reason) ?? 0));
      continue;
    }
    counts.accepted += 1;
    const { rawHeaders, query, body } = changed;
    const shown = { n, rawHeaders, query, body: body.toString("latin1") };
    expect(verdict.same, `${sample.name} accepted ${JSON.stringify(shown)}`).toBe(true);
  }
  console.log(`accepted ${counts.accepted}, refused`, Object.fromEntries(counts.refused));
  console.log(`resident MiB on the way: ${rssMiB.map(Math.round).join(" ")}`);
  expect(counts.accepted).toBeLessThan(mutations);
  // Flat from the second eighth on, give or take what the collector has not come to.
  expect(rssMiB.at(-1)! - rssMiB[2]!).toBeLessThan(256);
}, 900_000);

type Verdict =
  | { readonly accepted: true; readonly same: boolean }
  | { readonly accepted: false; readonly reason: string };

function judge({ endpoint, certificate, signed }: Mutable, request: Request): Verdict {
  const read = readRequest(endpoint, { ...request, contentType: "", receivedTime: now });
  const named = endpoint.provider.certificateUrl?.(read) !== undefined;
  const trust = trustOf(endpoint, now, named ? certificate : undefined);
  const verified = authenticate(endpoint, read, trust);
  if (!verified.verified) return { accepted: false, reason: verified.rejection };
  const webhooks = webhooksOf(endpoint, read, verified);
  return { accepted: true, same: signedPart(endpoint.provider, request.body, webhooks) === signed };
}
