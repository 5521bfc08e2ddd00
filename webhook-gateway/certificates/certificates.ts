// Certificates of providers that sign with one: fetched from their own domains, checked, and kept.
// Whoever can send a request can name an address here, so what is fetched, from where, how
// much and how often is bounded, and so is what is remembered of it.

import type { X509Certificate } from "node:crypto";
import { rootCertificates } from "node:tls";
import { checkChain, parsePem } from "./chain.ts";
import { fetchText } from "./fetch.ts";

export type Found =
  | { readonly certificate: X509Certificate }
  /** `refused`: it is not the provider's. `unreachable`: nobody knows, for now. */
  | { readonly problem: "refused" | "unreachable"; readonly detail: string };

export type Certificates = { get(url: string): Promise<Found> };

export type CertificatesOptions = {
  readonly now: () => Date;
  /** Instead of the providers' own addresses and of the public roots, for tests; loopback only. */
  readonly instead?: { readonly baseUrl: string; readonly ca: string };
};

/** Where certificates are, and whose name they bear there. */
const origins: ReadonlyMap<string, readonly string[]> = new Map([
  ["https://api.paypal.com", ["messageverificationcerts.paypal.com"]],
  ["https://api-m.paypal.com", ["messageverificationcerts.paypal.com"]],
  ["https://api.sandbox.paypal.com", ["messageverificationcerts.sandbox.paypal.com"]],
  ["https://api-m.sandbox.paypal.com", ["messageverificationcerts.sandbox.paypal.com"]],
]);

const keptMsMax = 24 * 3_600_000;
const refusedMs = 300_000;
const unreachableMs = 2_000;
const keptMax = 64;
const problemsMax = 256;
const fetchesMax = 4;
/** Providers change certificates a few times a year; more than this is somebody guessing. */
const fetchesPerMinuteMax = 60;

type Kept = { readonly found: Found; readonly untilMs: number };

export function createCertificates({ now, instead }: CertificatesOptions): Certificates {
  if (instead && !/^https:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:\d{1,5})?$/.test(instead.baseUrl)) {
    throw new Error(
      `certificates come from the providers or from loopback, not ${instead.baseUrl}`,
    );
  }
  // Apart, so that addresses that lead nowhere never push out a certificate in use.
  const kept = new Map<string, Kept>();
  const problems = new Map<string, Kept>();
  const fetching = new Map<string, Promise<Found>>();
  const budget = createBudget(now);
  let roots: readonly X509Certificate[] | undefined;

  async function fetchAndCheck(url: URL, names: readonly string[]): Promise<Found> {
    const address = instead ? new URL(url.pathname, instead.baseUrl) : url;
    const fetched = await fetchText(address, instead && { ca: instead.ca });
    if ("problem" in fetched) return fetched;
    roots ??= instead ? parsePem(instead.ca) : rootCertificates.flatMap((pem) => parsePem(pem));
    const checked = checkChain(fetched.text, { names, roots, now: now() });
    return "problem" in checked ? { problem: "refused", detail: checked.problem } : checked;
  }

  async function getAnew(url: URL, names: readonly string[]): Promise<Found> {
    const found = await fetchAndCheck(url, names);
    const nowMs = now().getTime();
    if ("certificate" in found) {
      const untilMs = Math.min(found.certificate.validToDate.getTime(), nowMs + keptMsMax);
      keep(kept, url.href, { found, untilMs }, keptMax);
    } else {
      const forMs = found.problem === "refused" ? refusedMs : unreachableMs;
      keep(problems, url.href, { found, untilMs: nowMs + forMs }, problemsMax);
    }
    return found;
  }

  return {
    async get(text) {
      const url = URL.parse(text);
      const names = url ? origins.get(url.origin) : undefined;
      if (!url || !names || url.href !== text) {
        return { problem: "refused", detail: "the address is none of a provider's certificates" };
      }
      const known = current(kept, text, now()) ?? current(problems, text, now());
      if (known) return known;
      const pending = fetching.get(text);
      if (pending) return pending;
      if (fetching.size >= fetchesMax || !budget.take()) {
        return { problem: "unreachable", detail: "too many certificates are asked for" };
      }
      const fetched = getAnew(url, names).finally(() => fetching.delete(text));
      fetching.set(text, fetched);
      return fetched;
    },
  };
}

function current(map: Map<string, Kept>, url: string, now: Date): Found | undefined {
  const known = map.get(url);
  if (known && now.getTime() < known.untilMs) return known.found;
  map.delete(url);
  return undefined;
}

/** The oldest makes room. */
function keep(map: Map<string, Kept>, url: string, one: Kept, max: number): void {
  map.delete(url);
  map.set(url, one);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}

function createBudget(now: () => Date): { take(): boolean } {
  let minute = 0;
  let taken = 0;
  return {
    take() {
      const current = Math.floor(now().getTime() / 60_000);
      if (current !== minute) taken = 0;
      minute = current;
      taken += 1;
      return taken <= fetchesPerMinuteMax;
    },
  };
}
