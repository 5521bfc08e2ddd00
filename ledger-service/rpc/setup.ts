// RPCs that prepare books: ledgers and assets. They write facts as postings do, so they take the
// same way.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import type { Answer } from "../answer.ts";
import type { Poster } from "../poster.ts";
import type { Command } from "../rules/commands.ts";
import { readLedger } from "../store/read.ts";
import { refusalError } from "./refusal-error.ts";

type Setup = Pick<ServiceImpl<typeof LedgerService>, "createLedger" | "registerAsset">;

type Accepted = Exclude<Answer, { kind: "refused" }>;

export function setup(pool: Pool, poster: Poster): Setup {
  async function submit<K extends Accepted["kind"]>(
    kind: K,
    ledgerId: string,
    command: Command,
    signal: AbortSignal,
  ): Promise<Extract<Accepted, { kind: K }>> {
    const [answer] = await poster.submit(ledgerId, [command], signal);
    if (answer?.kind === "refused") throw refusalError(answer.detail);
    assert(answer?.kind === kind);
    return answer as Extract<Accepted, { kind: K }>;
  }

  return {
    async createLedger({ ledgerId, displayName }, context) {
      requireLedger(context, ledgerId);
      const command: Command = { kind: "create-ledger", displayName };
      const { replayed } = await submit("ledger", ledgerId, command, context.signal);
      const ledger = await readLedger(pool, ledgerId);
      assert(ledger);
      return { ledger, replayed };
    },

    async registerAsset({ ledgerId, assetCode, scale }, context) {
      requireLedger(context, ledgerId);
      const command: Command = { kind: "register-asset", assetCode, scale };
      const { asset, replayed } = await submit("asset", ledgerId, command, context.signal);
      return { asset: { assetCode: asset.assetCode, scale: asset.scale }, replayed };
    },
  };
}
