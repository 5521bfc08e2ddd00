import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import {
  digestAccountUpdate,
  digestClosePeriod,
  digestPosting,
  digestRelease,
  digestReversal,
  type PostingRequest,
  type ReversalRequest,
  sortedNotes,
} from "./digest.ts";
import { postCommand } from "./rpc/commands-of.ts";
import type { AmountRange, Precondition } from "./rules/preconditions.ts";

const request: PostingRequest = {
  entries: [
    { account: { accountCode: "assets:a", assetCode: "USD" }, side: "debit", amountMinor: 5n },
    { account: { accountCode: "income:b", assetCode: "USD" }, side: "credit", amountMinor: 5n },
  ],
  description: "tea — 茶",
  metadata: [
    { key: "b", value: "2" },
    { key: "a", value: "1" },
  ],
  effectiveTime: undefined,
};

const keyOf = (accountCode: string, assetCode = "USD") => ({ accountCode, assetCode });
const range = (bounds: Partial<AmountRange>): AmountRange => {
  return { gteMinor: undefined, lteMinor: undefined, eqMinor: undefined, ...bounds };
};
const guard: Precondition = {
  account: keyOf("assets:a"),
  balance: range({ gteMinor: 0n }),
  available: undefined,
  version: undefined,
};
const guards = [guard, { ...guard, balance: undefined, version: 3n }];
const guarded: PostingRequest = { ...request, preconditions: guards, linkGroup: "g" };
const parts = [
  { entryIndex: 0, amountMinor: 5n },
  { entryIndex: 1, amountMinor: 5n },
];
const partial: ReversalRequest = {
  sequence: 7n,
  description: "",
  parts,
  metadata: [{ key: "a", value: "1" }],
  effectiveTime: { seconds: 1n, nanos: 0 },
};

test("the digest of format 1 stays what it is", () => {
  expect(digestPosting(request)).toBe(
    "9848ae01dd5385940884ba78616cdd7a1a3b4873b32f40a86eba69574b5ba2d2",
  );
  expect(digestReversal({ sequence: 7n, description: "" })).toBe(
    "bb75450a3b4104146684720221cacf5db25a63e7beb022b8a5efb83c3d2e5cc4",
  );
});

test("what format 1 has gained since stays what it is", () => {
  expect(digestPosting(guarded)).toBe(
    "462a2f11af21b9315f980c36119989ac47f8c50e94f0d963b4bfe549326a0963",
  );
  expect(digestReversal(partial)).toBe(
    "8fb9288961c1c1296cf9a86322119d9726784566ffbec86e6ebcc1946d4c931e",
  );
});

test("a request that uses nothing new has the digest that it always had", () => {
  expect(digestPosting({ ...request, preconditions: [], linkGroup: "" })).toBe(
    digestPosting(request),
  );
  const old = { sequence: 7n, description: "" };
  const unused = { parts: [], metadata: [], effectiveTime: undefined };
  expect(digestReversal({ ...old, ...unused })).toBe(digestReversal(old));
});

test.each<[string, Partial<PostingRequest>]>([
  ["the preconditions", { preconditions: [] }],
  ["their order", { preconditions: guards.toReversed() }],
  ["an account", { preconditions: [{ ...guard, account: keyOf("assets:b") }] }],
  ["an asset", { preconditions: [{ ...guard, account: keyOf("assets:a", "EUR") }] }],
  ["another bound", { preconditions: [{ ...guard, balance: range({ lteMinor: 0n }) }] }],
  ["another amount", { preconditions: [{ ...guard, balance: range({ gteMinor: 1n }) }] }],
  [
    "what is available",
    { preconditions: [{ ...guard, balance: undefined, available: guard.balance }] },
  ],
  ["version 0", { preconditions: [{ ...guard, version: 0n }] }],
  ["the link group", { linkGroup: "h" }],
  ["no link group", { linkGroup: "" }],
])("%s makes another guarded request", (_, change) => {
  expect(digestPosting({ ...guarded, ...change })).not.toBe(digestPosting(guarded));
});

test.each<[string, Partial<ReversalRequest>]>([
  ["all of it", { parts: [] }],
  ["the order of the entries", { parts: parts.toReversed() }],
  ["an amount", { parts: [{ entryIndex: 0, amountMinor: 4n }, parts[1]!] }],
  ["an entry", { parts: [{ entryIndex: 2, amountMinor: 5n }, parts[1]!] }],
  ["a note", { metadata: [] }],
  ["the effective time", { effectiveTime: undefined }],
])("%s makes another reversal", (_, change) => {
  expect(digestReversal({ ...partial, ...change })).not.toBe(digestReversal(partial));
});

test("the notes of a reversal have no order", () => {
  const reordered = { ...partial, metadata: request.metadata.toReversed() };
  expect(digestReversal({ ...partial, metadata: request.metadata })).toBe(
    digestReversal(reordered),
  );
});

test("notes have no order", () => {
  const reordered = { ...request, metadata: request.metadata.toReversed() };
  expect(digestPosting(reordered)).toBe(digestPosting(request));
});

test.each<[string, Partial<PostingRequest>]>([
  ["the order of the entries", { entries: request.entries.toReversed() }],
  ["the description", { description: "" }],
  ["a note", { metadata: [{ key: "a", value: "1" }] }],
  ["the effective time", { effectiveTime: { seconds: 0n, nanos: 0 } }],
  ["one nanosecond", { effectiveTime: { seconds: 0n, nanos: 1 } }],
])("%s makes another request", (_, change) => {
  expect(digestPosting({ ...request, ...change })).not.toBe(digestPosting(request));
});

test("what stands in one field cannot be read as part of the next", () => {
  const notes = (...pairs: [string, string][]) => pairs.map(([key, value]) => ({ key, value }));
  const split = { ...request, metadata: notes(["a", "1"], ["b", "2"]) };
  const joined = { ...request, metadata: notes(["a", "11:b1:2"]) };
  expect(digestPosting(split)).not.toBe(digestPosting(joined));
});

test("a request has the same digest through JSON and through binary", () => {
  const message = create(PostTransactionRequestSchema, {
    ledgerId: "main",
    idempotencyKey: "k",
    entries: request.entries.map(({ account, amountMinor }, n) => {
      return { account, side: n === 0 ? Side.DEBIT : Side.CREDIT, amountMinor };
    }),
    metadata: [...request.metadata],
    effectiveTime: { seconds: 1_700_000_000n, nanos: 5 },
    preconditions: [
      { account: keyOf("assets:a"), balance: { gteMinor: 0n }, available: { eqMinor: -5n } },
      { account: keyOf("assets:a"), version: 0n },
    ],
    linkGroup: "g",
  });
  const schema = PostTransactionRequestSchema;
  const digests = [
    message,
    fromBinary(schema, toBinary(schema, message)),
    fromJson(schema, toJson(schema, message)),
  ].map((it) => {
    const command = postCommand(it);
    return command.kind === "post" && command.digest;
  });
  expect(new Set(digests).size).toBe(1);
});

test("notes are sorted by key, then by value", () => {
  const notes = [
    { key: "b", value: "1" },
    { key: "a", value: "2" },
    { key: "a", value: "1" },
  ];
  expect(sortedNotes(notes).map(({ key, value }) => key + value)).toEqual(["a1", "a2", "b1"]);
});

const freeze: Parameters<typeof digestAccountUpdate>[0] = {
  account: keyOf("assets:a"),
  change: { what: "freeze" },
  expectedChangedSequence: 0n,
  description: "",
};
const noted = { ...freeze, change: { what: "metadata", metadata: request.metadata } } as const;
const limited = (bounds: { floorMinor?: bigint; ceilingMinor?: bigint }) => {
  const limits = { floorMinor: undefined, ceilingMinor: undefined, ...bounds };
  return { ...freeze, change: { what: "limits", limits } } as const;
};

test("the digest of a change of an account stays what it is", () => {
  expect([freeze, noted, limited({ floorMinor: 0n })].map((it) => digestAccountUpdate(it))).toEqual(
    [
      "201c0b4316d6a795910b43a6a66e0e79c44c8bbc26fba491b042625ee39fe5a7",
      "a90436c1c9c2ede8444fd85ccfeba2172c0649eb564450264d4d5931b338962b",
      "26b058604106b62b52ed5e94d397b33c361fb07c25b715f1affb254dc15af416",
    ],
  );
});

test("every part of a change of an account makes another request", () => {
  const others: (typeof freeze)[] = [
    { ...freeze, account: keyOf("assets:b") },
    { ...freeze, account: keyOf("assets:a", "EUR") },
    { ...freeze, change: { what: "unfreeze" } },
    { ...freeze, change: { what: "close" } },
    { ...freeze, expectedChangedSequence: 1n },
    { ...freeze, description: "a" },
    noted,
    { ...noted, change: { what: "metadata", metadata: [] } },
    limited({}),
    limited({ floorMinor: 0n }),
    limited({ ceilingMinor: 0n }),
    limited({ floorMinor: 0n, ceilingMinor: 0n }),
  ];
  const digests = new Set([freeze, ...others].map((it) => digestAccountUpdate(it)));
  expect(digests.size).toBe(others.length + 1);
  const metadata = request.metadata.toReversed();
  const reordered = { ...noted, change: { what: "metadata", metadata } } as const;
  expect(digestAccountUpdate(reordered)).toBe(digestAccountUpdate(noted));
});

const closing = { endTime: { seconds: 1_700_000_000n, nanos: 5 }, description: "2023" };

test("the digest of a closed period stays what it is, and every part of it counts", () => {
  expect(digestClosePeriod(closing)).toBe(
    "d46934a1d4f31345b714a849ec116e220b0a8e0f553f8634e209d23d0f241e07",
  );
  const others = [
    { ...closing, endTime: { seconds: 1_700_000_001n, nanos: 5 } },
    { ...closing, endTime: { seconds: 1_700_000_000n, nanos: 6 } },
    { ...closing, description: "" },
  ];
  expect(new Set([closing, ...others].map(digestClosePeriod)).size).toBe(others.length + 1);
});

const release: Parameters<typeof digestRelease>[0] = {
  entry: { sequence: 12n, entryIndex: 1 },
  account: undefined,
  description: "",
  effectiveTime: undefined,
};

test("the digest of a release stays what it is, and every part of it counts", () => {
  expect(digestRelease(release)).toBe(
    "762f3f0255a41982ee1cc5cbc157d4c38872c5d31a1bfe34a695ae1120807342",
  );
  const others: (typeof release)[] = [
    { ...release, entry: { sequence: 1n, entryIndex: 21 } },
    { ...release, entry: { sequence: 12n, entryIndex: 0 } },
    { ...release, account: keyOf("assets:a") },
    { ...release, account: keyOf("assets:a", "EUR") },
    { ...release, description: "a" },
    { ...release, effectiveTime: closing.endTime },
  ];
  expect(new Set([release, ...others].map(digestRelease)).size).toBe(others.length + 1);
});
