// Providers' facts as they reach a ledger for tests: through the handler of their stream, in batches
// of their own, without a broker.

import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { Handled } from "#mesh/events/consumer-definition.ts";
import { handlePayments } from "../consumer.ts";
import { type Report, receive } from "./payments.ts";

/** Into another ledger than the reports name, where one is given. */
export function report(
  pool: Pool,
  reports: readonly Report[],
  ledgerId?: string,
): Promise<Handled> {
  const events = reports.map((of) => {
    const event = ledgerId === undefined ? of.event : { ...of.event, ledgerId };
    return receive({ ...of, event: event as Report["event"] });
  });
  return inTransaction(pool, (tx) => handlePayments(tx, events));
}
