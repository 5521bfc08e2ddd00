import { expect, test } from "vitest";
import { digestHold, type HoldRequest } from "./digest.ts";

const wallet = { accountCode: "liabilities:wallet", assetCode: "USD" };
const shop = { accountCode: "liabilities:shop", assetCode: "USD" };
const time = { seconds: 1_700_000_000n, nanos: 5 };
const notes = [
  { key: "b", value: "2" },
  { key: "a", value: "1" },
];

const create: HoldRequest = {
  kind: "create-hold",
  debitAccount: wallet,
  creditAccount: shop,
  amountMinor: 10n,
  toleranceMinor: 1n,
  expiration: { at: time },
  description: "an order",
  metadata: notes,
};
const increase: HoldRequest = {
  kind: "increase-hold",
  holdSequence: 7n,
  amountMinor: 10n,
  description: "more",
};
const capture: HoldRequest = {
  kind: "capture-hold",
  holdSequence: 7n,
  amountMinor: 10n,
  final: false,
  description: "a parcel",
  metadata: notes,
  effectiveTime: time,
};
const giveBack: HoldRequest = { ...increase, kind: "void-hold" };

test.each<[HoldRequest, string]>([
  [create, "f8f68cda068a081623812ec63b9287a11db706893da51672d67cd1dad753c25e"],
  [increase, "027449c7941d4c62bfd2ec43c28fde556cfed0ac052e6cfd16574923e26f55fb"],
  [capture, "df41571bd8f686ad2e4876b67b790f0fdbb01acea9d8f55a799e1c35bba6a18c"],
  [giveBack, "3cbc1bdad1bcc9aa4327c7be8dbfbd1726ffa1d5eeaf7dbe3d7e49643546811a"],
])("the digest of a request stays what it is: %o", (request, digest) => {
  expect(digestHold(request)).toBe(digest);
});

test.each<[HoldRequest, Record<string, unknown>[]]>([
  [
    create,
    [
      { debitAccount: shop, creditAccount: wallet },
      { debitAccount: { ...wallet, assetCode: "EUR" } },
      { amountMinor: 1n, toleranceMinor: 10n },
      { toleranceMinor: 2n },
      { expiration: undefined },
      { expiration: { after: time } },
      { expiration: { at: { ...time, nanos: 6 } } },
      { description: "" },
      { metadata: [] },
    ],
  ],
  [increase, [{ holdSequence: 8n }, { amountMinor: 11n }, { description: "" }]],
  [
    capture,
    [
      { holdSequence: 8n },
      { amountMinor: 11n },
      { final: true },
      { description: "" },
      { metadata: [] },
      { effectiveTime: undefined },
    ],
  ],
  [giveBack, [{ holdSequence: 8n }, { amountMinor: 0n }, { description: "" }, increase]],
])("every part of a request counts: %o", (request, changes) => {
  const digests = changes.map((change) => digestHold({ ...request, ...change } as HoldRequest));
  expect(new Set([digestHold(request), ...digests]).size).toBe(changes.length + 1);
});

test("the order of notes does not count", () => {
  const other = { ...create, metadata: notes.toReversed() };
  expect(digestHold(other)).toBe(digestHold(create));
});
