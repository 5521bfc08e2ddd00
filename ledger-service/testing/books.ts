// Books in memory for tests of the rules: the same as those of a prepared ledger.

import { type Books, createBooks } from "../rules/books.ts";
import { type Command, decideCommand, type Outcome } from "../rules/commands.ts";
import { prepareCommands } from "./ledger.ts";

/** USD and EUR, each with `assets:cash` and `income:sales`. */
export function preparedBooks(): Books {
  const books = createBooks("main", 0n, { seconds: 1_000_000n, nanos: 0 });
  decide(books, ...prepareCommands);
  return books;
}

export function decide(books: Books, ...commands: readonly Command[]): Outcome[] {
  return commands.map((command) => decideCommand(books, command));
}
