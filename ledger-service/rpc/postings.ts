// RPCs that post: one command each into the poster, one answer out.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { answerCommands } from "../answer.ts";
import type { Poster } from "../poster.ts";
import { batchCommands, lonePostCommand, reverseCommand } from "./commands-of.ts";
import { postedOrThrow, resultsOf } from "./post-results.ts";
import { postStream } from "./post-stream.ts";

type Postings = Pick<
  ServiceImpl<typeof LedgerService>,
  | "postTransaction"
  | "batchPostTransactions"
  | "streamPostTransactions"
  | "simulateTransaction"
  | "reverseTransaction"
>;

export function postings(pool: Pool, poster: Poster, stopping: AbortSignal): Postings {
  return {
    async postTransaction(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [lonePostCommand(request)], context.signal);
      return postedOrThrow(pool, ledgerId, answer);
    },

    async batchPostTransactions({ ledgerId, requests }, context) {
      requireLedger(context, ledgerId);
      const commands = batchCommands(ledgerId, requests);
      const answers = await poster.submit(ledgerId, commands, context.signal);
      return { results: await resultsOf(pool, ledgerId, answers) };
    },

    streamPostTransactions: postStream(pool, poster, stopping),

    async simulateTransaction({ request }, context) {
      assert(request, "validation requires the request");
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const asked = [{ command: lonePostCommand(request, "request."), traceparent: undefined }];
      const options = { simulating: true };
      // One moment of the books, without waiting for whoever writes to them.
      const answers = await pool.begin("isolation level repeatable read read only", (tx) => {
        return answerCommands(tx, ledgerId, asked, options);
      });
      const [result] = await resultsOf(pool, ledgerId, answers);
      assert(result);
      return { result };
    },

    async reverseTransaction(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      const [answer] = await poster.submit(ledgerId, [reverseCommand(request)], context.signal);
      return postedOrThrow(pool, ledgerId, answer);
    },
  };
}
