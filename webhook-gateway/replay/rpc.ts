// The replays of DeliveryService: one webhook at once, many in the background.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type DeliveryService,
  ListReplaysRequestSchema,
  type ReplaySchema,
  ReplayState,
} from "#gen/bursar/webhook/v1/delivery_service_pb.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { checkFilter, selectDelivery } from "../delivery-rows.ts";
import { deliveryToWire } from "../delivery-wire.ts";
import { cutPage, listOf, pageSizeOf, readPageToken } from "../page-token.ts";
import { refused } from "../refusal.ts";
import { type HandlingAgain, handleAgain } from "./handle-again.ts";
import {
  encodeFilter,
  end,
  insertReplay,
  type ReplayRow,
  selectReplay,
  selectReplays,
} from "./rows.ts";

type Methods = "replayDelivery" | "createReplay" | "getReplay" | "listReplays" | "cancelReplay";

export function replayMethods(
  options: HandlingAgain,
): Pick<ServiceImpl<typeof DeliveryService>, Methods> {
  const { pool } = options;
  const find = async (replayId: string) => {
    const id = /^[1-9][0-9]{0,17}$/.test(replayId) ? BigInt(replayId) : undefined;
    const row = id === undefined ? undefined : await selectReplay(pool, id);
    if (row) return row;
    throw refused("NOT_FOUND", `there is no replay ${replayId}`, replayId);
  };
  return {
    async replayDelivery({ webhookId }) {
      const row = await selectDelivery(pool, webhookId);
      if (!row)
        throw refused("NOT_FOUND", `no delivery has the webhook id ${webhookId}`, webhookId);
      const [again] = await handleAgain(options, [row]);
      if (again?.kind === "missing") {
        const problem = `the stream has let the bytes of webhook ${webhookId} go`;
        throw refused("BYTES_GONE", `${problem}: ask its provider to send it again`, webhookId);
      }
      if (again?.kind === "given-up") {
        const problem = `webhook ${webhookId} was given up again and stays as it was`;
        throw refused("GIVEN_UP_AGAIN", `${problem}: ${again.detail}`, webhookId);
      }
      const now = await selectDelivery(pool, webhookId);
      return { delivery: deliveryToWire(now ?? row), changed: again?.changed ?? false };
    },

    async createReplay({ requestId, filter }) {
      const asked = filter!;
      checkFilter(asked);
      const row = await inTransaction(pool, (tx) => insertReplay(tx, requestId, asked));
      if (Buffer.compare(encodeFilter(row.filter), encodeFilter(asked)) !== 0) {
        const problem = `request_id ${requestId} was used with another filter`;
        throw refused("REQUEST_ID_REUSED", `${problem}: choose a new one`, requestId);
      }
      return { replay: replayToWire(row) };
    },

    async getReplay({ replayId }) {
      return { replay: replayToWire(await find(replayId)) };
    },

    async listReplays(request) {
      const list = listOf(ListReplaysRequestSchema, request);
      const [before] = readPageToken(list, request.pageToken, 1) ?? [];
      const size = pageSizeOf(request.pageSize);
      const rows = await selectReplays(pool, before, size + 1);
      const { page, nextPageToken } = cutPage(rows, size, list, ({ replayId }) => [replayId]);
      return { replays: page.map(replayToWire), nextPageToken };
    },

    async cancelReplay({ replayId }) {
      const row = await find(replayId);
      await end(pool, row.replayId, ReplayState.CANCELLED);
      return { replay: replayToWire(await find(replayId)) };
    },
  };
}

function replayToWire(row: ReplayRow): MessageInitShape<typeof ReplaySchema> {
  const { filter, state, handled, changed, missing, givenUp } = row;
  return {
    replayId: String(row.replayId),
    filter,
    state,
    selected: row.selected ?? 0n,
    ...{ handled, changed, missing, givenUp },
    createTime: timestampFromDate(row.createdAt),
    ...(row.endedAt && { endTime: timestampFromDate(row.endedAt) }),
  };
}
