// What became of requests that post, as their callers are told.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { PostTransactionResultSchema } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { Answer } from "../answer.ts";
import { decodeTransaction } from "../journal.ts";
import { entryFromWire } from "../wire.ts";
import { refusalError } from "./refusal-error.ts";
import { balancesOfAnswers } from "./replayed-balances.ts";

export type PostResult = MessageInitShape<typeof PostTransactionResultSchema>;

export async function resultsOf(
  pool: Pool,
  ledgerId: string,
  answers: readonly Answer[],
): Promise<PostResult[]> {
  const written = answers.filter((answer) => answer.kind === "written");
  const posted = await postedOf(pool, ledgerId, written);
  let next = 0;
  return answers.map((answer) => {
    if (answer.kind === "refused") return { result: { case: "refused", value: answer.detail } };
    return { result: { case: "posted", value: posted[next++]! } };
  });
}

export async function postedOrThrow(pool: Pool, ledgerId: string, answer: Answer | undefined) {
  if (answer?.kind === "refused") throw refusalError(answer.detail);
  assert(answer?.kind === "written");
  const [posted] = await postedOf(pool, ledgerId, [answer]);
  assert(posted);
  return posted;
}

async function postedOf(
  pool: Pool,
  ledgerId: string,
  answers: readonly Extract<Answer, { kind: "written" }>[],
) {
  const transactions = answers.map(({ row }) => decodeTransaction(row.data));
  const asked = answers.map((answer, place) => {
    const entries = answer.replayed ? transactions[place]!.entries : [];
    return { answer, touched: entries.map((entry) => entryFromWire(entry).account) };
  });
  const balances = await balancesOfAnswers(pool, ledgerId, asked);
  return answers.map(({ replayed }, place) => {
    return { transaction: transactions[place]!, balances: balances[place]!, replayed };
  });
}
