// A bound for requests that are not authentic, for each client: an IPv4 address
// or the 64 bits that IPv6 gives to one. Only failures count, so authentic
// requests are never too many. They must not suffer from who shares an address
// with them either, behind a proxy or a provider's common exit: an address that
// was authentic lately is always let in, and any other that is over its limit
// still has a narrow lane, in which it can prove itself. What is refused there is
// refused before its body is read.

import { clientNetwork } from "./addresses.ts";

export type UnverifiedLimit = {
  /** Failures a minute that an address may go on with. */
  readonly perMinute: number;
  /** Failures at once before that counts. */
  readonly burst: number;
};

export type Admission =
  | "free"
  /** In the narrow lane: the caller says `leave` when it is done. */
  | "watched"
  | "refused";

/** Requests of one address over its limit that are looked at at once. */
const laneMax = 4;
/** So many addresses are remembered of each kind; then the one not heard of for longest goes. */
const addressesMaxDefault = 10_000;
const provenMs = 24 * 3_600_000;
/** A proof is renewed no more often, to spare the hot path. */
const renewMs = 60_000;

type Bucket = {
  tokens: number;
  filledMs: number;
  inLane: number;
};

export type UnverifiedOptions = { readonly addressesMax?: number };

export function createUnverified({ addressesMax = addressesMaxDefault }: UnverifiedOptions = {}) {
  const buckets = new Map<string, Bucket>();
  const proven = new Map<string, number>();

  function filled(bucket: Bucket, limit: UnverifiedLimit, nowMs: number): Bucket {
    const minutes = (nowMs - bucket.filledMs) / 60_000;
    bucket.tokens = Math.min(limit.burst, bucket.tokens + minutes * limit.perMinute);
    bucket.filledMs = nowMs;
    return bucket;
  }

  return {
    /** Addresses that are remembered. */
    get size(): number {
      return buckets.size + proven.size;
    },
    /**
     * Before the body is read. An address is `listed` when the endpoint names it as its
     * provider's.
     */
    admit(address: string, limit: UnverifiedLimit, listed: boolean, nowMs: number): Admission {
      if (buckets.size === 0 || listed) return "free";
      const client = clientNetwork(address);
      const bucket = buckets.get(client);
      if (bucket === undefined || filled(bucket, limit, nowMs).tokens >= 1) return "free";
      if (nowMs - (proven.get(client) ?? Number.NEGATIVE_INFINITY) < provenMs) return "free";
      if (bucket.inLane >= laneMax) return "refused";
      bucket.inLane += 1;
      return "watched";
    },
    leave(address: string): void {
      const bucket = buckets.get(clientNetwork(address));
      if (bucket && bucket.inLane > 0) bucket.inLane -= 1;
    },
    /** True when the address was over its limit already. */
    failed(address: string, limit: UnverifiedLimit, nowMs: number): boolean {
      const client = clientNetwork(address);
      const known = buckets.get(client);
      const bucket = known
        ? filled(known, limit, nowMs)
        : { tokens: limit.burst, filledMs: nowMs, inLane: 0 };
      const over = bucket.tokens < 1;
      if (!over) bucket.tokens -= 1;
      remember(buckets, client, bucket, addressesMax);
      return over;
    },
    verified(address: string, nowMs: number): void {
      const client = clientNetwork(address);
      const before = proven.get(client);
      if (before !== undefined && nowMs - before < renewMs) return;
      remember(proven, client, nowMs, addressesMax);
    },
  };
}

export type Unverified = ReturnType<typeof createUnverified>;

/** Until an address that is over its limit has one failure to spare again. */
export function retryAfterSeconds({ perMinute }: UnverifiedLimit): number {
  return Math.max(1, Math.ceil(60 / Math.max(perMinute, 1)));
}

/** A map keeps the order in which its keys were set, so its first is the oldest. */
function remember<V>(map: Map<string, V>, key: string, value: V, sizeMax: number): void {
  map.delete(key);
  if (map.size >= sizeMax) map.delete(map.keys().next().value!);
  map.set(key, value);
}
