// Closed periods: nothing new counts before the end of the last one. Ends are whole microseconds, as
// the database keeps them, so that it and the rules never differ about what lies before one.

import { addFact, type Books, nextSequence } from "./books.ts";
import type { Accepted } from "./commands.ts";
import type { Time } from "./records.ts";
import type { Refusal } from "./refusals.ts";
import { isBefore, wholeMicros } from "./time.ts";

export type ClosePeriod = {
  readonly kind: "close-period";
  readonly idempotencyKey: string;
  readonly endTime: Time;
  readonly description: string;
};

export function decideClosePeriod(books: Books, command: ClosePeriod): Accepted | Refusal {
  const { idempotencyKey, description } = command;
  const { closedTime, recordedTime } = books;
  const endTime = wholeMicros(command.endTime);
  if (closedTime && !isBefore(closedTime, endTime)) {
    return { reason: "period-order", limitTime: closedTime };
  }
  if (isBefore(recordedTime, endTime)) return { reason: "period-order", limitTime: recordedTime };

  const sequence = nextSequence(books);
  const period = { endTime, closedSequence: sequence, closeTime: recordedTime, description };
  books.closedTime = endTime;
  books.written.periods.push(period);
  addFact(books, { kind: "period-closed", sequence, idempotencyKey, period });
  return { sequence, touched: [] };
}
