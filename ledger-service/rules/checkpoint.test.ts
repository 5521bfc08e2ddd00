import fc from "fast-check";
import { expect, test } from "vitest";
import { command, openingCommands } from "../testing/arbitrary-commands.ts";
import { type Books, createBooks, keepPayment, keepReported } from "./books.ts";
import { checkpoint } from "./checkpoint.ts";
import { decideCommand } from "./commands.ts";
import { decideAll } from "./link-groups.ts";

const seed = Number(process.env["SEED"]) || Date.now() % 2 ** 31;

test("after going back the books are as they were, whatever was done in between", () => {
  console.log(`seed ${seed}`);
  const some = fc.array(command, { maxLength: 20 });
  fc.assert(
    fc.property(some, some, (before, between) => {
      const books = createBooks("main", 0n, { seconds: 1n, nanos: 0 });
      for (const one of [...openingCommands, ...before]) decideCommand(books, one);
      books.traceparent = "before";
      const was = structuredClone(books);
      const goBack = checkpoint(books, [...books.accounts.values()]);
      books.traceparent = "between";
      for (const one of between) decideCommand(books, one);
      touchTheRest(books);
      goBack();
      expect(inOrder(books)).toEqual(inOrder(was));
      // What goes on from there finds everything in its place: accounts are the same objects.
      expect(decideAll(books, between.map(asked))).toEqual(decideAll(was, between.map(asked)));
      expect(inOrder(books)).toEqual(inOrder(was));
    }),
    { seed, numRuns: 300 },
  );
});

/** What commands of a caller do not reach. */
function touchTheRest(books: Books): void {
  keepReported(books, { key: "fact", content: "", sequence: undefined });
  keepPayment(books, {
    paymentId: "p",
    orderId: "",
    currencyCode: "USD",
    paidMinor: 1n,
    refundsNamedMinor: 0n,
    refundsStatedMinor: 0n,
    refundsFailedMinor: 0n,
    disputedMinor: 0n,
    lostMinor: 0n,
    firstSequence: 1n,
    sequence: 1n,
  });
  books.closedTime = { seconds: 9n, nanos: 0 };
  books.displayName = "another";
}

function asked(one: Parameters<typeof decideCommand>[1]) {
  return { command: one, traceparent: undefined };
}

/** Maps and sets as lists, because their order is kept, too. */
function inOrder(books: Books) {
  return Object.entries({ ...books, ...books.written, written: 0 }).map(([name, value]) => {
    const isCollection = value instanceof Map || value instanceof Set;
    return [name, isCollection ? [...value] : value];
  });
}
