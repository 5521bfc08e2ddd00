// RPCs that open accounts and change them. They write facts as postings do, so they take the same
// way: one command each into the poster, one answer out.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type {
  CreateAccountResultSchema,
  NewAccount,
} from "#gen/bursar/ledger/v1/account_requests_pb.ts";
import type {
  CreateAccountRequest,
  LedgerService,
} from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import type { Answer } from "../answer.ts";
import { digestAccountUpdate } from "../digest.ts";
import { decodeAccount } from "../journal.ts";
import type { Poster } from "../poster.ts";
import type { AccountUpdate } from "../rules/account-rules.ts";
import type { Command, CreateAccount } from "../rules/commands.ts";
import { accountToWire, kindFromWire, limitsFromWire } from "../wire.ts";
import { accountKeyOf, notesOf } from "./commands-of.ts";
import { refusalError } from "./refusal-error.ts";

type Accounts = Pick<
  ServiceImpl<typeof LedgerService>,
  | "createAccount"
  | "batchCreateAccounts"
  | "updateAccountMetadata"
  | "updateAccountLimits"
  | "freezeAccount"
  | "unfreezeAccount"
  | "closeAccount"
>;

export function accounts(poster: Poster): Accounts {
  async function submit(
    context: HandlerContext,
    ledgerId: string,
    command: Command,
  ): Promise<Answer> {
    const [answer] = await poster.submit(ledgerId, [command], context.signal);
    assert(answer);
    return answer;
  }

  /** The account as it was right after the change, the first time and always. */
  async function update(context: HandlerContext, request: UpdateRequest, change: Change) {
    const { ledgerId } = request;
    requireLedger(context, ledgerId);
    const answer = await submit(context, ledgerId, updateCommand(request, change));
    if (answer.kind === "refused") throw refusalError(answer.detail);
    assert(answer.kind === "written");
    return { account: decodeAccount(answer.row), replayed: answer.replayed };
  }

  return {
    async createAccount(request, context) {
      const { ledgerId } = request;
      requireLedger(context, ledgerId);
      return openedOf(ledgerId, await submit(context, ledgerId, createCommand(request)));
    },

    async batchCreateAccounts({ ledgerId, accounts: requests }, context) {
      requireLedger(context, ledgerId);
      const commands = requests.map(createCommand);
      const answers = await poster.submit(ledgerId, commands, context.signal);
      return { results: answers.map((answer) => resultOf(ledgerId, answer)) };
    },

    async updateAccountMetadata(request, context) {
      const metadata = notesOf(request.metadata);
      return update(context, request, { what: "metadata", metadata });
    },

    async updateAccountLimits(request, context) {
      return update(context, request, { what: "limits", limits: limitsFromWire(request.limits) });
    },

    async freezeAccount(request, context) {
      return update(context, request, { what: "freeze" });
    },

    async unfreezeAccount(request, context) {
      return update(context, request, { what: "unfreeze" });
    },

    async closeAccount(request, context) {
      return update(context, request, { what: "close" });
    },
  };
}

function createCommand(request: CreateAccountRequest | NewAccount): CreateAccount {
  return {
    kind: "create-account",
    account: accountKeyOf(request.account),
    accountKind: kindFromWire(request.kind),
    limits: limitsFromWire(request.limits),
    metadata: notesOf(request.metadata),
  };
}

type Change = AccountUpdate["change"];

type UpdateRequest = {
  readonly ledgerId: string;
  readonly idempotencyKey: string;
  readonly account?: { readonly accountCode: string; readonly assetCode: string } | undefined;
  readonly expectedChangedSequence?: bigint;
  readonly description?: string;
};

function updateCommand(request: UpdateRequest, change: Change): Command {
  const { idempotencyKey, expectedChangedSequence = 0n, description = "" } = request;
  const account = accountKeyOf(request.account);
  const update = { account, change, expectedChangedSequence, description };
  const digest = digestAccountUpdate(update);
  return { kind: "update-account", idempotencyKey, digest, ...update };
}

function resultOf(
  ledgerId: string,
  answer: Answer,
): MessageInitShape<typeof CreateAccountResultSchema> {
  if (answer.kind === "refused") return { result: { case: "refused", value: answer.detail } };
  return { result: { case: "opened", value: openedOf(ledgerId, answer) } };
}

function openedOf(ledgerId: string, answer: Answer) {
  if (answer.kind === "refused") throw refusalError(answer.detail);
  assert(answer.kind === "account");
  return { account: accountToWire(ledgerId, answer.account), replayed: answer.replayed };
}
