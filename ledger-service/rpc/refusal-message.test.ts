import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { Refusal, RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { refusalMessage } from "./refusal-message.ts";

const account = { accountCode: "income:sales", assetCode: "USD" };
const micros = { seconds: 1_795_464_872n, nanos: 774_779_000 };

test.each([
  [
    { refusal: Refusal.METADATA_DUPLICATE, metadataKey: "order_id" },
    'note "order_id" appears twice',
  ],
  [
    { refusal: Refusal.ACCOUNT_KIND, account },
    "account income:sales in USD is of kind income in the chart of accounts, open it as that",
  ],
  [
    { refusal: Refusal.ASSET_SCALE, assetCode: "JPY" },
    "asset JPY is a currency, register it with scale 0, that of ISO 4217",
  ],
  [
    { refusal: Refusal.PERIOD_CLOSED, limitTime: micros },
    "all time before 2026-11-23T20:14:32.774779Z is closed, choose a later effective_time",
  ],
  [
    { refusal: Refusal.EFFECTIVE_TIME_TOO_LATE, limitTime: micros },
    "effective_time must not be later than 2026-11-23T20:14:32.774779Z",
  ],
])("a refusal names what is at fault, exactly: %o", (detail, message) => {
  expect(refusalMessage(create(RefusalDetailSchema, detail))).toBe(message);
});

test("every reason has a message of its own", () => {
  const reasons = Object.values(Refusal).filter((value) => typeof value === "number");
  const said = reasons
    .filter((refusal) => refusal !== Refusal.UNSPECIFIED)
    .map((refusal) => refusalMessage(create(RefusalDetailSchema, { refusal, account })));
  expect(said).not.toContain(refusalMessage(create(RefusalDetailSchema)));
  expect(new Set(said).size).toBe(said.length);
});
