// The ledger's answers for tests of who asks it: a server of its RPCs that knows the payments whose
// facts it was given.

import { type DescMessage, fromBinary, type MessageShape } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { Transaction } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import type { EncodedEvent } from "#mesh/events/event.ts";
import { startTestServer } from "#mesh/testing/rpc.ts";

export type LedgerServer = AsyncDisposable & {
  readonly rpc: Awaited<ReturnType<typeof clientOf>>;
  /** From now on it knows these facts. */
  add(...events: readonly EncodedEvent[]): void;
};

type TestServer = Awaited<ReturnType<typeof startTestServer>>;
const clientOf = (server: TestServer) => server.client(LedgerService);

/** It knows the ledger `main`, and tells its payments a few at a time, by id. */
export async function startLedgerServer(): Promise<LedgerServer> {
  const transactions: Transaction[] = [];
  const statesOf = (ledgerId: string) => {
    const states = transactions.flatMap(({ paymentState }) => paymentState ?? []);
    const own = states.filter((state) => state.ledgerId === ledgerId);
    const newest = [...Map.groupBy(own, ({ paymentId }) => paymentId).values()].map((all) =>
      all.reduce((a, b) => (a.ledgerSequence > b.ledgerSequence ? a : b)),
    );
    return newest.toSorted((a, b) => (a.paymentId < b.paymentId ? -1 : 1));
  };
  const server = await startTestServer({
    service: "ledger-service",
    routes(router) {
      router.service(LedgerService, {
        listPaymentStates({ ledgerId, pageSize, pageToken, orderId }) {
          if (ledgerId !== "main") throw new ConnectError("there is none", Code.NotFound);
          const states = statesOf(ledgerId).filter((state) => {
            return orderId === "" ? state.paymentId > pageToken : state.orderId === orderId;
          });
          const page = states.slice(0, pageSize);
          const nextPageToken = states.length > pageSize ? page.at(-1)!.paymentId : "";
          return { paymentStates: page, nextPageToken };
        },
        listTransactions({ ledgerId, paymentId }) {
          const caused = transactions.filter(({ paymentState: state }) => {
            return state?.ledgerId === ledgerId && state.paymentId === paymentId;
          });
          return { transactions: caused };
        },
      });
    },
  });
  return {
    rpc: await clientOf(server),
    add(...events) {
      for (const { data } of events) {
        const { transaction } = decode(TransactionPostedSchema, data);
        if (transaction) transactions.push(transaction);
      }
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function decode<D extends DescMessage>(desc: D, data: Uint8Array): MessageShape<D> {
  return fromBinary(desc, data);
}
