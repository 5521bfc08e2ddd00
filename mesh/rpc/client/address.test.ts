import { expect, test } from "vitest";
import { mergeAddresses, readAddress, readOrigins } from "./address.ts";
import { refreshDelayMs } from "./resolver.ts";

test("one url is one endpoint, a list is several, a name is resolved", () => {
  expect(readAddress("https://ledger:8443")).toEqual({
    kind: "static",
    origins: ["https://ledger:8443"],
  });
  expect(readAddress(["https://a:1", "https://b:1/", "https://a:1"])).toEqual({
    kind: "static",
    origins: ["https://a:1", "https://b:1"],
  });
  const named = { kind: "dns", name: "ledger.internal", origin: "https://ledger.internal:8443" };
  expect(readAddress("dns:ledger.internal:8443")).toEqual(named);
  expect(readAddress("dns:///ledger.internal:8443")).toEqual(named);
});

test.each([
  "http://ledger:8443",
  "ledger:8443",
  "dns:",
  "dns://8.8.8.8/ledger",
  "",
  "https://ledger/v1",
])("%j is no address", (url) => {
  expect(() => readAddress(url)).toThrow(/expected https:/);
});

test("a client without any endpoint is refused", () => {
  expect(() => readOrigins([])).toThrow(/at least one url/);
});

test("addresses in use stay, whatever the order of the answer", () => {
  const merged = mergeAddresses(["a", "b", "c"], ["d", "c", "b"], 10, () => 0);
  expect(merged).toEqual(["b", "c", "d"]);
});

test("more addresses than the bound are left to other clients", () => {
  const found = ["a", "b", "c", "d"];
  expect(mergeAddresses(["c"], found, 2, () => 0)[0]).toBe("c");
  expect(mergeAddresses(["c"], found, 2, () => 0)).toHaveLength(2);
});

test("a name is looked up again after its TTL, within bounds, not by all at once", () => {
  const bounds = { refreshMsMin: 1_000, refreshMsMax: 30_000 };
  const delay = (ttlMs: number | undefined, random: number) =>
    refreshDelayMs(ttlMs, { ...bounds, random: () => random });
  expect(delay(10_000, 0)).toBe(8_000);
  expect(delay(10_000, 1)).toBe(10_000);
  expect(delay(0, 1)).toBe(1_000);
  expect(delay(3_600_000, 1)).toBe(30_000);
  expect(delay(undefined, 1)).toBe(30_000);
});
