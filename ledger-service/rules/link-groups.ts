// Requests that belong together: those of one link group are posted all or none. A group is decided
// where its first request stands, so that nothing comes between its transactions.

import { accountName, type Books } from "./books.ts";
import { checkpoint } from "./checkpoint.ts";
import {
  answerUsedKey,
  type Command,
  decideCommand,
  type KeyedCommand,
  type Outcome,
  refuseKeyed,
} from "./commands.ts";
import type { AccountKey } from "./records.ts";
import type { Refusal } from "./refusals.ts";

/** A command, the trace that what becomes of it belongs to, and whom it belongs together with. */
export type Asked = {
  readonly command: Command;
  readonly traceparent: string | undefined;
  /** Its place in the caller's batch. */
  readonly place?: number;
  /** The same object for all of a link group, which stand side by side. */
  readonly group?: object | undefined;
};

/** One outcome a command, in the same order. */
export function decideAll(books: Books, asked: readonly Asked[]): Outcome[] {
  return unitsOf(asked).flatMap((unit) => {
    const [first] = unit;
    return first?.group ? decideGroup(books, unit) : unit.map((one) => decideOne(books, one));
  });
}

/** What must stay together, in order: each link group is one unit, every other command, too. */
export function unitsOf<T extends { readonly group?: object | undefined }>(
  asked: readonly T[],
): T[][] {
  const units: T[][] = [];
  for (const one of asked) {
    const last = units.at(-1);
    if (last && one.group && last[0]?.group === one.group) last.push(one);
    else units.push([one]);
  }
  return units;
}

/** About so many a part, in order; what must stay together does. */
export function partsOf<T extends { readonly group?: object | undefined }>(
  asked: readonly T[],
  size: number,
): T[][] {
  const parts: T[][] = [];
  for (const unit of unitsOf(asked)) {
    const last = parts.at(-1);
    if (last && last.length < size) last.push(...unit);
    else parts.push(unit);
  }
  return parts;
}

function decideGroup(books: Books, group: readonly Asked[]): Outcome[] {
  if (books.sequence === 0n) return group.map((one) => decideOne(books, one));
  const goBack = checkpoint(books, group.flatMap(accountsOf));
  const outcomes: Outcome[] = [];
  for (const one of group) {
    const outcome = decideOne(books, one);
    if (outcome.kind === "refused" || outcome.kind === "stays-refused") {
      goBack();
      return refuseGroup(books, group, { guilty: one, outcome });
    }
    outcomes.push(outcome);
  }
  return outcomes;
}

/** Keys that were used before keep their answers; the others are used up by this one. */
function refuseGroup(
  books: Books,
  group: readonly Asked[],
  { guilty, outcome }: { guilty: Asked; outcome: Outcome },
): Outcome[] {
  const linked: Refusal = { reason: "linked-refused", index: guilty.place ?? 0 };
  const own = outcome.kind === "refused" ? outcome.refusal : linked;
  return group.map((one) => {
    books.traceparent = one.traceparent;
    const command = one.command as KeyedCommand;
    const refusal = one === guilty ? own : linked;
    return answerUsedKey(books, command) ?? refuseKeyed(books, command, refusal);
  });
}

function decideOne(books: Books, { command, traceparent }: Asked): Outcome {
  books.traceparent = traceparent;
  return decideCommand(books, command);
}

/** Each once: many entries of a group are on the same accounts. */
function accountsOf({ command }: Asked): AccountKey[] {
  if (command.kind !== "post") return [];
  const accounts = command.draft.entries.map(({ account }) => account);
  return [...new Map(accounts.map((account) => [accountName(account), account])).values()];
}
