// The names that spans carry, and whose children they are, for calls and for events.

import { expect, test } from "vitest";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { Health } from "#gen/grpc/health/v1/health_pb.ts";
import { batchSpan, startProcessSpan, startPublishSpan } from "./messaging.ts";
import { isServerFault, rpcOutcome, rpcSpan } from "./rpc.ts";
import { inSpan, startSpan } from "./trace.ts";

const cause = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const message = { subject: "bursar.x.v1.Happened", stream: "X", messageId: "1" };
const trace = "0af7651916cd43dd8448eb211c80319c";

test("a call is named by its method, and its code says whose fault it was", () => {
  const name = "bursar.ledger.v1.LedgerService/PostTransaction";
  const start = rpcSpan(LedgerService.method.postTransaction, "server", cause);
  const attributes = { "rpc.method": name, "rpc.system.name": "connectrpc" };
  expect(start).toMatchObject({ name, kind: "server", parent: cause, attributes });
  expect(rpcOutcome("ok")).toEqual({ "rpc.status_code": "ok" });
  expect(rpcOutcome("not_found")).toMatchObject({ "error.type": "not_found" });
  expect(
    ["ok", "not_found", "invalid_argument", "resource_exhausted"].filter(isServerFault),
  ).toEqual([]);
  expect(["internal", "unavailable", "deadline_exceeded"].filter(isServerFault).length).toBe(3);
});

test("whoever watches health is not recorded", () => {
  expect(rpcSpan(Health.method.watch, "client").unrecorded).toBe(true);
  expect(rpcSpan(LedgerService.method.getLedger, "client").unrecorded).toBe(false);
});

test("an event is published in the trace of its cause, else of what runs", () => {
  expect(startPublishSpan(message, cause).traceId).toBe(trace);
  const running = startSpan({ name: "call", kind: "server", parent: null });
  inSpan(running, () => {
    expect(startPublishSpan(message, undefined).traceId).toBe(running.traceId);
    expect(startPublishSpan(message, cause).traceId).toBe(trace);
  });
});

test("an event is processed in its own trace, never in that of its batch", () => {
  const names = { ...message, consumer: "y-X" };
  const batch = startSpan(batchSpan({ consumer: "y-X", stream: "X" }, [cause, undefined]));
  expect(batch.traceId).not.toBe(trace);
  inSpan(batch, () => {
    expect(startProcessSpan(names, cause).traceId).toBe(trace);
    expect(startProcessSpan(names, undefined).traceId).not.toBe(batch.traceId);
  });
  const start = batchSpan({ consumer: "y-X", stream: "X" }, [cause, undefined]);
  expect(start).toMatchObject({
    links: [cause],
    attributes: { "messaging.batch.message_count": 2, "messaging.consumer.group.name": "y-X" },
  });
});
