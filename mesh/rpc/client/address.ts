// Reads the `url` of a client: one address, a list of them, or a DNS name behind which there are
// any number. Always TLS.

import assert from "node:assert/strict";

export type Address =
  | { readonly kind: "static"; readonly origins: readonly string[] }
  | { readonly kind: "dns"; readonly name: string; readonly origin: string };

const forms = "https://<host>:<port>, a list of such, or dns:<name>:<port>";

export function readAddress(url: string | readonly string[]): Address {
  if (typeof url !== "string") return { kind: "static", origins: readOrigins(url) };
  const [, rest] = /^dns:(?:\/\/\/)?([^/]+)$/.exec(url) ?? [];
  if (rest === undefined) return { kind: "static", origins: [readOrigin(url)] };
  const origin = readOrigin(`https://${rest}`);
  return { kind: "dns", name: new URL(origin).hostname, origin };
}

/** Without repetitions: a server named twice would get twice the calls. */
export function readOrigins(urls: readonly string[]): readonly string[] {
  assert(urls.length > 0, `a client needs at least one url: ${forms}`);
  return [...new Set(urls.map(readOrigin))];
}

function readOrigin(url: string): string {
  const { protocol, pathname, search, origin } = URL.parse(url) ?? {};
  const isAddress = protocol === "https:" && `${pathname}${search}` === "/";
  assert(isAddress && origin, `${url} is no address of a server: expected ${forms}`);
  return origin;
}

/**
 * The addresses to use out of those found: those in use stay, so that an answer in another order
 * changes nothing, and what exceeds the bound is left to other clients.
 */
export function mergeAddresses(
  inUse: readonly string[],
  found: readonly string[],
  addressesMax: number,
  random: () => number,
): readonly string[] {
  const distinct = new Set(found);
  const kept = inUse.filter((address) => distinct.delete(address));
  const others = [...distinct]
    .map((address) => ({ address, place: random() }))
    .sort((one, other) => one.place - other.place)
    .map(({ address }) => address);
  return [...kept, ...others].slice(0, addressesMax);
}
