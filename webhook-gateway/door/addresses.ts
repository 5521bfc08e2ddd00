// Who is at the other end: lists of networks, and the client's address, which is
// the socket's own unless a proxy that we trust says otherwise. IPv4 addresses
// have one spelling here, also where a socket for both families writes them as IPv6.

import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import { AddressMode } from "#gen/bursar/webhook/v1/endpoint_pb.ts";

export type AddressPolicy = {
  readonly allow: AddressList;
  /** False: others are counted, and go on. */
  readonly enforce: boolean;
};

export type AddressList = { has(address: string): boolean };

/** Whose word about their callers is believed. */
export type TrustedProxies = AddressList;

const nobody: TrustedProxies = { has: () => false };

export type Problems = { readonly problems: readonly string[] };

/** The list, or what is wrong with each entry, by its name in the file. */
export function parseAddressPolicy(config: {
  readonly allow: readonly string[];
  readonly mode: AddressMode | number;
}): AddressPolicy | Problems {
  const allow = parseNetworks("addresses.allow", config.allow);
  return "problems" in allow ? allow : { allow, enforce: config.mode === AddressMode.ENFORCE };
}

export function parseTrustedProxies(networks: readonly string[]): TrustedProxies | Problems {
  return networks.length === 0 ? nobody : parseNetworks("trusted_proxies", networks);
}

function parseNetworks(field: string, networks: readonly string[]): AddressList | Problems {
  const list = new BlockList();
  const problems = networks.flatMap((text, index) => {
    const network = parseNetwork(text);
    if (typeof network === "string") return [`${field}[${index}]: ${network}`];
    list.addSubnet(network.address, network.bits, network.family);
    return [];
  });
  if (problems.length > 0) return { problems };
  return { has: (address) => isIP(address) !== 0 && list.check(address, familyOf(address)) };
}

type Network = { address: string; bits: number; family: "ipv4" | "ipv6" };

const networkShape = /^([0-9A-Fa-f.:]{2,45})(?:\/(0|[1-9][0-9]{0,2}))?$/;

/** The network, or what is wrong with the text. */
function parseNetwork(text: string): Network | string {
  const [, address = "", prefix] = networkShape.exec(text) ?? [];
  const version = isIP(address);
  if (version === 0) {
    return `${JSON.stringify(text)} is no address or network, write it as 192.0.2.0/24 or 2001:db8::/32`;
  }
  if (plainAddress(address) !== address) return `${text} is IPv4 within IPv6, write it as IPv4`;
  const bitsMax = version === 4 ? 32 : 128;
  const bits = prefix === undefined ? bitsMax : Number(prefix);
  if (bits > bitsMax) return `${text} has more than ${bitsMax} bits behind the slash`;
  if (bits === 0) return `${text} is every address there is, leave the list out instead`;
  const family = version === 4 ? "ipv4" : "ipv6";
  if (hasHostBits(groupsOf(address), bits, version === 4 ? 8 : 16)) {
    return `${text} has bits beyond its ${bits}: is the address or the number of bits wrong?`;
  }
  return { address, bits, family };
}

function hasHostBits(groups: readonly number[], bits: number, width: number): boolean {
  return groups.some((group, index) => {
    const kept = Math.min(Math.max(bits - index * width, 0), width);
    return (group & (2 ** (width - kept) - 1)) !== 0;
  });
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv4(address) ? "ipv4" : "ipv6";
}

/** Bytes of an IPv4 address, the eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  if (isIPv4(address)) return address.split(".").map(Number);
  const [head = "", tail] = address.split("::");
  const left = numbersOf(head);
  const right = tail === undefined ? [] : numbersOf(tail);
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<number>(gap).fill(0), ...right];
}

function numbersOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!group.includes(".")) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** Without a zone, and as IPv4 where it is IPv4 within IPv6; anything else as it is. */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address;
  // As the system writes them for a socket that takes both families.
  if (address.startsWith("::ffff:") && isIPv4(address.slice(7))) return address.slice(7);
  const zone = address.indexOf("%");
  const text = zone < 0 ? address : address.slice(0, zone);
  if (!isIPv6(text)) return address;
  const [a, b, c, d, e, mark, high = 0, low = 0] = groupsOf(text);
  if (a || b || c || d || e || mark !== 0xffff) return text;
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** What one client has for itself: an IPv4 address, or the 64 bits that IPv6 gives to each. */
export function clientNetwork(address: string): string {
  if (!isIPv6(address)) return address;
  return groupsOf(address)
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(":");
}

/** A longer chain of proxies than this is nobody's. */
const hopsMax = 32;

/**
 * Read from the right: each proxy appends whom it was called by, so an entry is
 * worth what the one who wrote it is worth. The first that is no proxy of ours is
 * the client; what stands further left is its own invention.
 */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  proxies: TrustedProxies,
): string {
  let client = plainAddress(socketAddress ?? "");
  if (forwardedFor === undefined) return client;
  let end = forwardedFor.length;
  for (let hop = 0; hop < hopsMax && end >= 0 && proxies.has(client); hop++) {
    const start = forwardedFor.lastIndexOf(",", end - 1);
    const address = addressIn(forwardedFor.slice(start + 1, end).trim());
    if (address === undefined || end === 0) return client;
    client = address;
    end = start;
  }
  return client;
}

/** Some proxies add the port. */
function addressIn(entry: string): string | undefined {
  const bare =
    /^\[([^\]]*)\](?::\d{1,5})?$/.exec(entry)?.[1] ?? entry.replace(/^([^:]*):\d{1,5}$/, "$1");
  return isIP(bare) === 0 ? undefined : plainAddress(bare);
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

export function isLoopback(address: string): boolean {
  const plain = plainAddress(address);
  return isIP(plain) !== 0 && loopback.check(plain, familyOf(plain));
}
