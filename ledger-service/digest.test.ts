import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Side } from "#gen/bursar/ledger/v1/account_pb.ts";
import { PostTransactionRequestSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { digestPosting, digestReversal, type PostingRequest, sortedNotes } from "./digest.ts";
import { postCommand } from "./rpc/commands-of.ts";

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

test("the digest of format 1 stays what it is", () => {
  expect(digestPosting(request)).toBe(
    "9848ae01dd5385940884ba78616cdd7a1a3b4873b32f40a86eba69574b5ba2d2",
  );
  expect(digestReversal({ sequence: 7n, description: "" })).toBe(
    "bb75450a3b4104146684720221cacf5db25a63e7beb022b8a5efb83c3d2e5cc4",
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
