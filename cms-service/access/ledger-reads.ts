// What is asked of the ledger itself, as a client of its RPCs like any other.

import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import type { PaymentState } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { openClient } from "#mesh/rpc/client.ts";
import type { ServiceParts } from "#mesh/service/service-definition.ts";
import { factTime } from "../consumer.ts";
import { refused } from "../requests/refusal.ts";

export type LedgerReads = {
  /** By payment. */
  listPayments(
    ledgerId: string,
    page: { readonly pageSize: number; readonly pageToken: string },
  ): Promise<{ readonly states: readonly PaymentState[]; readonly nextPageToken: string }>;
  /** Of the payments of an order, this one. */
  readPayment(
    ledgerId: string,
    orderId: string,
    paymentId: string,
  ): Promise<PaymentState | undefined>;
  /** When its earliest fact takes effect; undefined: there is no such payment. */
  readPaidTime(ledgerId: string, paymentId: string): Promise<Date | undefined>;
};

/** Facts of one payment, or payments of one order: far more than there are. */
const factsMax = 500;

export function ledgerReads(rpc: Client<typeof LedgerService>): LedgerReads {
  return {
    async listPayments(ledgerId, page) {
      const answer = await asked(ledgerId, rpc.listPaymentStates({ ledgerId, ...page }));
      return { states: answer.paymentStates, nextPageToken: answer.nextPageToken };
    },

    async readPayment(ledgerId, orderId, paymentId) {
      const request = { ledgerId, orderId, pageSize: factsMax };
      const { paymentStates } = await asked(ledgerId, rpc.listPaymentStates(request));
      return paymentStates.find((state) => state.paymentId === paymentId);
    },

    async readPaidTime(ledgerId, paymentId) {
      const request = { ledgerId, paymentId, pageSize: factsMax };
      const { transactions } = await asked(ledgerId, rpc.listTransactions(request));
      const [first, ...others] = transactions.map(factTime);
      return first && others.reduce((least, time) => (time < least ? time : least), first);
    },
  };
}

/** Undefined without an address. It connects with the first question. */
export function openLedgerReads(
  url: string | undefined,
  { tls, log, metrics, own }: Pick<ServiceParts, "tls" | "log" | "metrics" | "own">,
): LedgerReads | undefined {
  if (url === undefined) return undefined;
  return ledgerReads(own(openClient(LedgerService, { url, tls, log, metrics })).rpc);
}

/** The ledger's answer, or why there is none. */
async function asked<T>(ledgerId: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    const { code, rawMessage } = ConnectError.from(cause);
    if (code === Code.NotFound) {
      throw refused("LEDGER_NOT_FOUND", `there is no ledger ${ledgerId}`, { resource: ledgerId });
    }
    if (code === Code.InvalidArgument) {
      throw refused("POSITION_INVALID", `position does not belong to ledger ${ledgerId}`);
    }
    const why = `the ledger did not answer (${Code[code]}: ${rawMessage})`;
    throw refused("LEDGER_UNAVAILABLE", `${why}; try again, from the same position`);
  }
}
