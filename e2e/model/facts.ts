// The facts of a ledger in their order, as StreamEvents tells them; cut off, it is asked to go on.

import type { StreamEventsResponse } from "#gen/bursar/ledger/v1/audit_service_pb.ts";
import { type Clients, untilAnswered } from "./ask.ts";
import { Disagreement } from "./disagreement.ts";

export type Event = Extract<StreamEventsResponse["event"], { case: string }>["value"];

/** Those after the sequence, up to the latest of this moment. */
export async function readFacts(
  { audit }: Clients,
  ledgerId: string,
  afterSequence: bigint,
): Promise<Event[]> {
  const facts: Event[] = [];
  await untilAnswered(async () => {
    const after = afterSequence + BigInt(facts.length);
    for await (const told of audit.streamEvents({
      ledgerId,
      afterSequence: after,
      untilHead: true,
    })) {
      const { ledgerSequence, event } = told;
      const next = afterSequence + BigInt(facts.length) + 1n;
      if (ledgerSequence !== next || event.value?.ledgerSequence !== next) {
        throw new Disagreement(`${ledgerId} tells of ${ledgerSequence} instead of ${next}`);
      }
      facts.push(event.value);
    }
  });
  return facts;
}
