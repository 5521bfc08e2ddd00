// AuditService: what happened, where every number comes from, and whether the books are sound.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type DescMessage, fromBinary } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  type AuditService,
  type StreamEventsResponse,
  StreamEventsResponseSchema,
  type VerifyLedgerResponseSchema,
} from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { Refusal } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requireLedger } from "#mesh/rpc/caller.ts";
import { refuse } from "#mesh/rpc/errors.ts";
import type { JournalRow } from "../journal.ts";
import type { Followers } from "../outgoing/followers.ts";
import type { Verifier } from "../verify/verifier.ts";
import type { Progress, Verified } from "../verify/verify.ts";
import { explainBalance } from "./explain.ts";
import { findLedger } from "./min-sequence.ts";
import { notFound } from "./refusal-error.ts";

export type AuditOptions = {
  readonly pool: Pool;
  readonly followers: Followers;
  readonly verifier: Verifier;
};

export function auditService(options: AuditOptions): ServiceImpl<typeof AuditService> {
  const { pool, followers, verifier } = options;
  return {
    async *streamEvents({ ledgerId, afterSequence: after, untilHead }, context) {
      // Books that have not come to it were set back: the caller knows of facts that are gone.
      const ledger = await findLedger(pool, context, ledgerId, after);
      const until = untilHead ? ledger.headSequence : undefined;
      for await (const row of followers.follow({ id: ledger.id, after, until }, context.signal)) {
        yield responseOf(row);
      }
    },

    explainBalance: (request, context) => explainBalance(pool, request, context),

    async *verifyLedger({ ledgerId }, context) {
      requireLedger(context, ledgerId);
      for await (const step of verifier.verify(ledgerId, context.signal)) {
        if (!step) throw notFound({ refusal: Refusal.LEDGER_NOT_FOUND });
        yield "divergences" in step ? resultOf(step) : progressOf(step);
      }
    },
  };
}

type Event = StreamEventsResponse["event"];

/** The field of the response that holds an event, by the event's name. */
const fields = new Map(
  StreamEventsResponseSchema.oneofs.flatMap((oneof) =>
    oneof.fields.flatMap(({ message, localName }): [string, [DescMessage, string]][] => {
      return message ? [[message.typeName, [message, localName]]] : [];
    }),
  ),
);

function responseOf({ sequence, subject, data }: JournalRow) {
  const [schema, field] = fields.get(subject) ?? [];
  if (!schema) {
    const message = `fact ${sequence} is a ${subject}, which only a newer release knows`;
    throw refuse(Code.Unavailable, message);
  }
  const event = { case: field, value: fromBinary(schema, data) } as unknown as Event;
  return { ledgerSequence: sequence, event };
}

type Step = MessageInitShape<typeof VerifyLedgerResponseSchema>;

function progressOf({ verifiedSequence, headSequence }: Progress): Step {
  return { step: { case: "progress", value: { verifiedSequence, headSequence } } };
}

function resultOf({ headSequence, headHash, divergences: [first] }: Verified): Step {
  const divergence = first && {
    projection: first.projection,
    ledgerSequence: first.sequence,
    problem: first.problem,
  };
  const value = { headSequence, headHash, ...(divergence && { divergence }) };
  return { step: { case: "result", value } };
}
