// RPCs that post: one command each into the poster, one answer out.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  LedgerService,
  PostTransactionResponseSchema,
  PostTransactionResultSchema,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import type { Answer } from "../answer.ts";
import { decodeTransaction } from "../journal.ts";
import type { Poster } from "../poster.ts";
import { balanceToWire } from "../wire.ts";
import { postCommand, refuseField, reverseCommand } from "./commands-of.ts";
import { refusalError } from "./refusal-error.ts";

type Postings = Pick<
  ServiceImpl<typeof LedgerService>,
  "postTransaction" | "batchPostTransactions" | "reverseTransaction"
>;

export function postings(poster: Poster): Postings {
  return {
    async postTransaction(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [postCommand(request)], context.signal);
      return postedOrThrow(answer);
    },

    async batchPostTransactions({ ledgerId, requests }, context) {
      requireLedger(context, ledgerId);
      const commands = requests.map((request, place) => {
        if (request.ledgerId !== ledgerId) {
          refuseField(`requests[${place}].ledger_id`, `must be ${ledgerId}, as in the batch`);
        }
        return postCommand(request, `requests[${place}].`);
      });
      const answers = await poster.submit(ledgerId, commands, context.signal);
      return { results: answers.map(resultOf) };
    },

    async reverseTransaction(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [reverseCommand(request)], context.signal);
      return postedOrThrow(answer);
    },
  };
}

function resultOf(answer: Answer): MessageInitShape<typeof PostTransactionResultSchema> {
  if (answer.kind === "refused") return { result: { case: "refused", value: answer.detail } };
  return { result: { case: "posted", value: postedOrThrow(answer) } };
}

function postedOrThrow(answer: Answer | undefined) {
  if (answer?.kind === "refused") throw refusalError(answer.detail);
  assert(answer?.kind === "written");
  const transaction = decodeTransaction(answer.row.data);
  const { replayed } = answer;
  const balances = answer.balances.map(balanceToWire);
  return { transaction, balances, replayed } satisfies MessageInitShape<
    typeof PostTransactionResponseSchema
  >;
}
