// RPCs that prepare books: ledgers, assets, accounts. They write facts as postings do, so they take
// the same way.

import assert from "node:assert/strict";
import type { ServiceImpl } from "@connectrpc/connect";
import type { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import type { Answer } from "../answer.ts";
import { sortedNotes } from "../digest.ts";
import type { Poster } from "../poster.ts";
import type { Command } from "../rules/commands.ts";
import { readLedger } from "../store/read.ts";
import { accountToWire, kindFromWire, limitsFromWire } from "../wire.ts";
import { refusalError } from "./refusal-error.ts";

type Setup = Pick<
  ServiceImpl<typeof LedgerService>,
  "createLedger" | "registerAsset" | "createAccount"
>;

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

    async createAccount({ ledgerId, account: key, kind, limits, metadata }, context) {
      requireLedger(context, ledgerId);
      assert(key);
      const { accountCode, assetCode } = key;
      const command: Command = {
        kind: "create-account",
        account: { accountCode, assetCode },
        accountKind: kindFromWire(kind),
        limits: limitsFromWire(limits),
        metadata: sortedNotes(metadata.map((note) => ({ key: note.key, value: note.value }))),
      };
      const { account, replayed } = await submit("account", ledgerId, command, context.signal);
      return { account: accountToWire(ledgerId, account), replayed };
    },
  };
}
