// The addresses behind a DNS name, looked up again for as long as the client lives. An answer is
// kept when the next one fails: a name server that is away must not take the service along.

import { lookup, Resolver } from "node:dns/promises";
import type { Log } from "../../process/log.ts";
import { pause } from "./abort.ts";
import { neverSent } from "./failure.ts";

export type Answer = {
  readonly addresses: readonly string[];
  /** How long it may be believed; undefined: the resolver does not say. */
  readonly ttlMs: number | undefined;
};

export type Resolve = (name: string) => Promise<Answer>;

/** `servers`: `<ip>:<port>` of name servers other than the system's. */
export function createResolve(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  if (servers) resolver.setServers(servers);
  return async (name) => {
    const answers = await Promise.allSettled([
      resolver.resolve4(name, { ttl: true }),
      resolver.resolve6(name, { ttl: true }),
    ]);
    const records = answers.flatMap((answer) => {
      if (answer.status === "fulfilled") return answer.value;
      if (saysNone(answer.reason)) return [];
      // Half an answer would take the other half of the endpoints away.
      throw answer.reason;
    });
    if (records.length > 0) {
      const ttlMs = Math.min(...records.map(({ ttl }) => ttl)) * 1_000;
      return { addresses: records.map(({ address }) => address), ttlMs };
    }
    if (servers) throw new Error(`${name} has no address`);
    // Names that only the system knows: /etc/hosts, search domains.
    const found = await lookup(name, { all: true });
    return { addresses: found.map(({ address }) => address), ttlMs: undefined };
  };
}

function saysNone({ code }: NodeJS.ErrnoException): boolean {
  return code === "ENODATA" || code === "ENOTFOUND";
}

export type NameWatchOptions = {
  readonly name: string;
  readonly resolve: Resolve;
  readonly refreshMsMin: number;
  readonly refreshMsMax: number;
  readonly random: () => number;
  readonly onAddresses: (addresses: readonly string[]) => void;
  readonly log: Log | undefined;
};

export type NameWatch = {
  /** Once there is an answer. Fails with the next lookup that fails before there is one. */
  readonly known: () => Promise<void>;
  /** Something is wrong with an address: looks again, but not more often than `refreshMsMin`. */
  readonly refresh: () => void;
  readonly stop: () => void;
};

export function watchName(options: NameWatchOptions): NameWatch {
  const { name, refreshMsMin, random, log } = options;
  const stop = new AbortController();
  let first = firstAnswer();
  let isKnown = false;
  let wake = new AbortController();
  let lookedAt = 0;
  let nextAt = 0;

  async function look(): Promise<number> {
    lookedAt = performance.now();
    try {
      const { addresses, ttlMs } = await options.resolve(name);
      if (stop.signal.aborted) return 0;
      options.onAddresses(addresses);
      isKnown = true;
      first.resolve();
      return refreshDelayMs(ttlMs, options);
    } catch (error) {
      log?.warn("a name was not found, its last addresses stay in use", { name, error });
      if (!isKnown) {
        first.reject(neverSent(`${name} was not found: ${(error as Error).message}`, error));
        first = firstAnswer();
      }
      return refreshDelayMs(refreshMsMin, options);
    }
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      const delayMs = await look();
      nextAt = lookedAt + delayMs;
      for (;;) {
        const leftMs = nextAt - performance.now();
        if (stop.signal.aborted || leftMs <= 0) break;
        await pause(leftMs, wake.signal);
        if (wake.signal.aborted) wake = new AbortController();
      }
    }
  }

  void run();
  return {
    known: () => (isKnown ? Promise.resolve() : first.promise),
    refresh() {
      const soonAt = lookedAt + refreshMsMin * (1 + random());
      if (soonAt >= nextAt) return;
      nextAt = soonAt;
      wake.abort();
    },
    stop() {
      stop.abort();
      wake.abort();
      first.reject(neverSent("the client is closed", undefined));
    },
  };
}

function firstAnswer(): PromiseWithResolvers<void> {
  const answer = Promise.withResolvers<void>();
  // Whoever waits hears of it; nobody needs to wait.
  answer.promise.catch(() => undefined);
  return answer;
}

/** As long as the answer may be believed, within bounds; clients do not all ask at once. */
export function refreshDelayMs(
  ttlMs: number | undefined,
  {
    refreshMsMin,
    refreshMsMax,
    random,
  }: Pick<NameWatchOptions, "refreshMsMin" | "refreshMsMax" | "random">,
): number {
  const wholeMs = Math.min(refreshMsMax, ttlMs ?? refreshMsMax);
  return Math.max(refreshMsMin, wholeMs * (0.8 + 0.2 * random()));
}
