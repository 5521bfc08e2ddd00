// A receipt for every payment of an order: it keeps the newest totals that the ledger posted, tells
// others when they change, and shows learners their own. docs/new-service.md builds it in steps.

import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { ReceiptIssuedSchema } from "#gen/bursar/receipt/v1/events_pb.ts";
import { ReceiptSchema, ReceiptService } from "#gen/bursar/receipt/v1/receipt_service_pb.ts";
import { requireLearner, requireLedger } from "#mesh/rpc/caller.ts";
import { createProjection, createView } from "#mesh/service/projection.ts";
import { keep, on, runService, type ServiceDefinition } from "#mesh/service/run-service.ts";

const receipts = createProjection(ReceiptSchema, { table: "receipt", version: "ledger_sequence" });
const owned = createView(ReceiptSchema, "owned_receipt");

export const receiptService: ServiceDefinition = {
  service: "receipt-service",
  database: { schema: "receipt", migrations: new URL("./migrations/", import.meta.url) },
  produces: [ReceiptIssuedSchema],
  consumes: [
    on(TransactionPostedSchema, async (tx, { transaction }, emit) => {
      if (!transaction?.paymentState?.orderId) return;
      const receipt = { ...transaction.paymentState, recordedTime: transaction.recordedTime };
      if (await receipts.keep(tx, receipt)) await emit(ReceiptIssuedSchema, receipt);
    }),
    keep(OrderChangedSchema, "ordered", "change_time"),
  ],
  routes: (router, { pool }) =>
    router.service(ReceiptService, {
      getReceipt: ({ ledgerId, paymentId }, context) =>
        receipts.get(pool, "receipt", { ledgerId: requireLedger(context, ledgerId), paymentId }),
      listReceipts: ({ learnerId, ...page }, context) =>
        owned.list(pool, "receipts", { learnerId: requireLearner(context, learnerId) }, page),
    }),
};

if (import.meta.main) await runService(receiptService);
