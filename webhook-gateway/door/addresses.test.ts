import { expect, test } from "vitest";
import { AddressMode } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import {
  type AddressList,
  clientAddress,
  clientNetwork,
  isLoopback,
  parseAddressPolicy,
  parseTrustedProxies,
  plainAddress,
} from "./addresses.ts";

const proxies = parsed(parseTrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"]));

test.each([
  ["192.0.2.7", true],
  ["192.0.3.7", false],
  ["198.51.100.1", true],
  ["198.51.100.2", false],
  ["2001:db8::1", true],
  ["2001:db9::1", false],
  ["not an address", false],
  ["", false],
])("a list of networks and addresses holds %s: %s", (address, held) => {
  const policy = parseAddressPolicy({
    allow: ["192.0.2.0/24", "198.51.100.1", "2001:db8::/32"],
    mode: AddressMode.OBSERVE,
  });
  if ("problems" in policy) throw new Error(policy.problems.join());
  expect(policy.allow.has(address)).toBe(held);
  expect(policy.enforce).toBe(false);
});

test.each([
  ["192.0.2.1/24", "192.0.2.1/24 has bits beyond its 24"],
  ["192.0.2.0/33", "more than 32 bits"],
  ["192.0.2.0/024", "is no address or network"],
  ["192.0.2", "is no address or network"],
  ["0.0.0.0/0", "every address there is"],
  ["::/0", "every address there is"],
  ["2001:db8::1/32", "has bits beyond its 32"],
  ["::ffff:192.0.2.1", "write it as IPv4"],
  ["fe80::1%eth0", "is no address or network"],
  ["example.com", "is no address or network"],
  ["10.0.0.0/8 ", "is no address or network"],
])("%s is refused, and the message names it", (text, problem) => {
  const policy = parseAddressPolicy({ allow: ["10.0.0.0/8", text], mode: AddressMode.ENFORCE });
  expect("problems" in policy && policy.problems).toEqual([
    expect.stringContaining("addresses.allow[1]: "),
  ]);
  expect("problems" in policy && policy.problems[0]).toContain(problem);
});

test.each([
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:c000:0201", "192.0.2.1"],
  ["fe80::1%eth0", "fe80::1"],
  ["2001:db8::1", "2001:db8::1"],
  ["192.0.2.1", "192.0.2.1"],
])("%s is %s", (address, plain) => {
  expect(plainAddress(address)).toBe(plain);
});

test("an IPv6 client is its 64 bits, however they are written", () => {
  expect(clientNetwork("2001:db8:0:1::1")).toBe(clientNetwork("2001:DB8:0:1:ffff::2"));
  expect(clientNetwork("2001:db8:0:1::1")).not.toBe(clientNetwork("2001:db8:0:2::1"));
  expect(clientNetwork("192.0.2.1")).toBe("192.0.2.1");
});

test.each([
  ["a stranger says nothing about who called it", "192.0.2.1", "198.51.100.1", "192.0.2.1"],
  ["a proxy says who called it", "10.0.0.1", "198.51.100.1", "198.51.100.1"],
  ["a proxy on a socket of both families", "::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"],
  [
    "what the caller wrote itself stands left",
    "10.0.0.1",
    "10.9.9.9, 6.6.6.6, 198.51.100.1",
    "198.51.100.1",
  ],
  ["proxies behind each other", "10.0.0.1", "198.51.100.1, 10.0.0.3,10.0.0.2", "198.51.100.1"],
  ["nothing but proxies", "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"],
  ["no address", "10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"],
  ["an empty header", "10.0.0.1", "", "10.0.0.1"],
  ["a comma at its end", "10.0.0.1", "198.51.100.1,", "10.0.0.1"],
  ["a port", "10.0.0.1", "198.51.100.1:443", "198.51.100.1"],
  ["IPv6 with a port", "2001:db8:1::1", "[2001:db8::7]:443", "2001:db8::7"],
  ["IPv4 within IPv6", "10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"],
])("%s", (_, socket, forwardedFor, client) => {
  expect(clientAddress(socket, forwardedFor, proxies)).toBe(client);
});

test("nobody is believed where no proxy is trusted, and a long chain ends", () => {
  const nobody = parsed(parseTrustedProxies([]));
  expect(clientAddress("10.0.0.1", "198.51.100.1", nobody)).toBe("10.0.0.1");
  expect(clientAddress("10.0.0.1", undefined, proxies)).toBe("10.0.0.1");
  const long = `198.51.100.1, ${Array(2_000).fill("10.0.0.2").join(", ")}`;
  expect(clientAddress("10.0.0.1", long, proxies)).toBe("10.0.0.2");
});

test("loopback has many addresses", () => {
  const all = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "::ffff:127.0.0.1",
    "0.0.0.0",
    "::",
    "192.0.2.1",
    "x",
  ];
  expect(all.map(isLoopback)).toEqual([true, true, true, true, false, false, false, false]);
});

function parsed(list: AddressList | { readonly problems: readonly string[] }): AddressList {
  if ("problems" in list) throw new Error(list.problems.join());
  return list;
}
