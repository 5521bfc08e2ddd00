// StreamPostTransactions: requests are put into the queue as they come, so that those of one stream
// share commits, and are answered in order.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type {
  LedgerService,
  StreamPostTransactionsRequest,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { untilRest } from "#mesh/rpc/until-rest.ts";
import type { Answer } from "../answer.ts";
import { type Poster, weightOf } from "../poster.ts";
import { lonePostCommand, refuseField } from "./commands-of.ts";
import { resultsOf } from "./post-results.ts";
import { type Begun, readAhead } from "./read-ahead.ts";

type PostStream = ServiceImpl<typeof LedgerService>["streamPostTransactions"];

/** Of each stream, ahead of its answers: two batches, one that is committed and one that waits. */
const bounds = { countMax: 1_000, weightMax: 16_000 };

export function postStream(pool: Pool, poster: Poster, stopping: AbortSignal): PostStream {
  return async function* streamPostTransactions(requests, context) {
    let streamLedgerId: string | undefined;
    const summary = { posted: 0n, replayed: 0n, refused: 0n };

    function begin({ request }: StreamPostTransactionsRequest): Begun<Answer> {
      assert(request, "validation requires the request");
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      streamLedgerId ??= ledgerId;
      if (ledgerId !== streamLedgerId) {
        refuseField("request.ledger_id", `must be ${streamLedgerId}, as in the first request`);
      }
      const command = lonePostCommand(request, "request.");
      const answer = submitOne(poster, ledgerId, command, context.signal);
      return { weight: weightOf(command), answer };
    }

    const arriving = untilRest(requests, stopping);
    for await (const answers of readAhead(arriving, begin, bounds)) {
      for (const answer of answers) summary[countOf(answer)] += 1n;
      for (const value of await resultsOf(pool, streamLedgerId ?? "", answers)) {
        yield { step: { case: "result", value } };
      }
    }
    yield { step: { case: "summary", value: summary } };
  };
}

async function submitOne(
  poster: Poster,
  ...[ledgerId, command, signal]: [string, ReturnType<typeof lonePostCommand>, AbortSignal]
): Promise<Answer> {
  const [answer] = await poster.submit(ledgerId, [command], signal);
  assert(answer);
  return answer;
}

function countOf(answer: Answer): "posted" | "replayed" | "refused" {
  if (answer.kind === "refused") return "refused";
  assert(answer.kind === "written");
  return answer.replayed ? "replayed" : "posted";
}
