// A consumer tells an event that is newer than itself by the version of its schema: what it cannot
// read then waits for its next release. So whoever changes an event counts it up.

import { expect, test } from "vitest";
import {
  AccountOpenedSchema,
  AssetRegisteredSchema,
  LedgerCreatedSchema,
  TransactionPostedSchema,
  TransactionRefusedSchema,
} from "#gen/bursar/ledger/v1/events_pb.ts";
import { dataSchemaOf } from "#mesh/events/schema-digest.ts";
import { eventPolicy } from "#mesh/policy/policy.ts";

test.each([
  [LedgerCreatedSchema, "5252f6d57c75e4637b689cef1caafdeb922578e14edc184998c5f519510a3f01"],
  [AssetRegisteredSchema, "e4529e634e683ea0910792498dfd4f74b7bd31702f1f3f0dba6358066b36700c"],
  [AccountOpenedSchema, "e26ffd7ac30f340e1a2d6aaea1ff328024db1af0b0ac000ab6f3192030cb0a5f"],
  [TransactionPostedSchema, "52aef8cd823ec9b9c3d1cba0eb2310d39a691ef9ca2376724440a7361fa11628"],
  [TransactionRefusedSchema, "c13bbb8d77bb61c86283d8e73bf539ec5637eb3b943fd71d68f08e227edf83d8"],
])("$typeName is version 1 only as it was then", (schema, sha256) => {
  const isFirst = dataSchemaOf(schema).endsWith(sha256);
  expect(eventPolicy(schema).version > 1).toBe(!isFirst);
});
