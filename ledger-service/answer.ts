// Answers callers' commands on one ledger: one batch, within the caller's SQL transaction.

import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { type RefusalDetail, RefusalDetailSchema } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Tx } from "#mesh/database/pool.ts";
import { type BatchNeeds, batchSize, needsOf, runBatch, runBatches } from "./batch.ts";
import { decodeRefusal, type JournalRow } from "./journal.ts";
import { accountName, type Books } from "./rules/books.ts";
import type { Command, Outcome } from "./rules/commands.ts";
import { type Asked, decideAll, partsOf } from "./rules/link-groups.ts";
import type { Balance } from "./rules/records.ts";
import { needAccount } from "./store/load.ts";
import { refusalToWire } from "./wire-refusal.ts";

export type Answer =
  | Extract<Outcome, { kind: "ledger" | "asset" | "account" }>
  | {
      readonly kind: "written";
      /** The fact, as it stands in the journal: the first time and always. */
      readonly row: JournalRow;
      readonly balances: readonly Balance[];
      readonly replayed: boolean;
    }
  | { readonly kind: "refused"; readonly detail: RefusalDetail };

export async function answerCommands(
  tx: Tx,
  ledgerId: string,
  asked: readonly Asked[],
  { simulating = false } = {},
): Promise<readonly Answer[]> {
  const commands = asked.map(({ command }) => command);
  const needs: BatchNeeds = new Map();
  for (const command of commands) addNeeds(needs, ledgerId, command);
  const creates = commands.some(({ kind }) => kind === "create-ledger");
  const options = { needs, creating: creates ? [ledgerId] : [] };
  const decideOf = (part: readonly Asked[]) => (booksOf: (ledgerId: string) => Books) => {
    return decideAll(booksOf(ledgerId), part);
  };
  const parts = partsOf(asked, batchSize).map(decideOf);
  const { decided, journalOf } = simulating
    ? await runBatch(tx, { ...options, simulating, decide: decideOf(asked) })
    : await runBatches(tx, { ...options, parts });
  const journal = journalOf(ledgerId);
  return decided.flat().map((outcome, place) => toAnswer(outcome, journal, keyOf(commands[place])));
}

function addNeeds(batch: BatchNeeds, ledgerId: string, command: Command): void {
  const needs = needsOf(batch, ledgerId);
  if ("idempotencyKey" in command) needs.idempotencyKeys.add(command.idempotencyKey);
  switch (command.kind) {
    case "create-ledger":
      break;
    case "register-asset":
      needs.assetCodes.add(command.assetCode);
      break;
    case "create-account":
      needAccount(needs, command.account);
      needs.metadata.set(accountName(command.account), command.account);
      break;
    case "post":
      for (const { account } of command.draft.entries) needAccount(needs, account);
      for (const { account } of command.preconditions ?? []) needAccount(needs, account);
      break;
    case "reverse":
      needs.reversals.add(command.sequence);
      needs.suspense.add(command.sequence);
      break;
    case "update-account":
      needAccount(needs, command.account);
      needs.metadata.set(accountName(command.account), command.account);
      break;
    case "create-hold":
      needAccount(needs, command.debitAccount);
      needAccount(needs, command.creditAccount);
      break;
    case "increase-hold":
    case "capture-hold":
    case "void-hold":
      needs.holds.add(command.holdSequence);
      break;
    case "close-period":
      break;
    case "release-suspense":
      needs.reversals.add(command.entry.sequence);
      needs.suspense.add(command.entry.sequence);
      if (command.account) needAccount(needs, command.account);
      break;
  }
}

function keyOf(command: Command | undefined): string {
  return command && "idempotencyKey" in command ? command.idempotencyKey : "";
}

/** What was written and what stays refused is told from the journal, the first time and always. */
function toAnswer(
  outcome: Outcome,
  journal: ReadonlyMap<bigint, JournalRow>,
  idempotencyKey: string,
): Answer {
  switch (outcome.kind) {
    case "written": {
      const { sequence, balances, replayed } = outcome;
      return { kind: "written", row: rowOf(journal, sequence), balances, replayed };
    }
    case "stays-refused":
      return { kind: "refused", detail: decodeRefusal(rowOf(journal, outcome.sequence)) };
    case "refused": {
      const value = refusalToWire(outcome.refusal, idempotencyKey);
      return { kind: "refused", detail: create(RefusalDetailSchema, value) };
    }
    default:
      return outcome;
  }
}

function rowOf(journal: ReadonlyMap<bigint, JournalRow>, sequence: bigint): JournalRow {
  const row = journal.get(sequence);
  assert(row, `fact ${sequence} is not in the journal`);
  return row;
}
