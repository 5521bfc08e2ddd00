import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { EnrollmentGrantedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { WebhookReceivedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { inSpan, startSpan } from "../telemetry/trace.ts";
import { knowMessages } from "./known-messages.ts";
import { createLog, type Fields } from "./log.ts";

test("a line is one JSON object with level, time, service and message", () => {
  const [line] = logged((log) => log.child({ part: "p" }).info("hello", { count: 2n }));
  expect(line).toMatchObject({
    level: "info",
    service: "s",
    message: "hello",
    part: "p",
    count: "2",
  });
  expect(Date.parse(line?.["time"] as string)).toBeGreaterThan(0);
});

test("who did what is on record at every level", () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line);
  createLog({ service: "s", level: "error", write }).child({ part: "p" }).audit("did", { what: 1 });
  createLog({ service: "s", level: "silent", write }).audit("did");
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "info", message: "did", audit: true, what: 1, part: "p" },
  ]);
});

test("secrets are masked wherever they stand", () => {
  const error = new Error("cannot reach postgres://user:hunter2@host/db");
  const [line] = logged((log) =>
    log.error("x", {
      authorization: "Bearer hunter2",
      headers: { "Stripe-Signature": "hunter2", cookie: "hunter2" },
      endpoint: [{ signingSecret: "hunter2" }],
      url: "nats://user:hunter2@host",
      urls: "nats://a:hunter2@one:1,nats://b:x@hunter2@two:2/db?for=c@d",
      error: new Error("outer", { cause: error }),
    }),
  );
  expect(JSON.stringify(line)).not.toContain("hunter2");
  expect(line).toMatchObject({
    url: "nats://user:[redacted]@host",
    urls: "nats://a:[redacted]@one:1,nats://b:[redacted]@two:2/db?for=c@d",
    error: { message: "outer", cause: { name: "Error" } },
  });
});

test("whatever is logged becomes plain data of bounded size", () => {
  const loop: Fields = { name: "loop" };
  loop["self"] = loop;
  const [line] = logged((log) =>
    log.warn("x", {
      loop,
      bytes: Buffer.from("hunter2"),
      long: "x".repeat(100_000),
      map: new Map([["a", 1]]),
      at: new Date(0),
      nothing: undefined,
    }),
  );
  expect(line).toMatchObject({ bytes: "[7 bytes]", at: "1970-01-01T00:00:00.000Z" });
  expect(JSON.stringify(line).length).toBeLessThan(10_000);
});

test("a line inside a span names it, and its own fields win", () => {
  const span = startSpan({ name: "s", kind: "internal", parent: null });
  const lines = logged((log) => {
    inSpan(span, () => {
      log.info("inside");
      log.info("elsewhere", { traceId: "another" });
    });
    log.info("outside");
  });
  expect(lines[0]).toMatchObject({ traceId: span.traceId, spanId: span.spanId });
  expect(lines[1]).toMatchObject({ traceId: "another" });
  expect(lines[2]).not.toHaveProperty("traceId");
});

test("a message is shown by its schema, and by its name alone where nobody knows it", () => {
  const granted = { learnerId: "hunter2", courseId: "crs_1", orderId: "ord_1" };
  const message = create(EnrollmentGrantedSchema, granted);
  const body = new TextEncoder().encode("hunter2");
  const webhook = create(WebhookReceivedSchema, { eventType: "hunter2", body });
  const [unknown] = logged((log) => log.info("x", { message, list: [webhook] }));
  expect(unknown).toMatchObject({ message: "x", list: ["[bursar.webhook.v1.WebhookReceived]"] });
  expect(JSON.stringify(unknown)).not.toContain("hunter2");

  knowMessages([EnrollmentGrantedSchema]);
  const [known] = logged((log) => log.info("x", { deep: { message }, learner_id: "hunter2" }));
  expect(known).toMatchObject({
    deep: { message: { learnerId: "[personal]", courseId: "crs_1" } },
    learner_id: "[personal]",
  });
  expect(JSON.stringify(known)).not.toContain("hunter2");
});

test("errors do not quote the data they are about", () => {
  const state = Object.assign(new Error('invalid input syntax for type bigint: "hunter2"'), {
    code: "22P02",
  });
  const problem = "cannot decode field a.B.c from JSON: expected string, got hunter2";
  const [line] = logged((log) => log.error("x", { error: new Error(problem, { cause: state }) }));
  expect(JSON.stringify(line)).not.toContain("hunter2");
  expect(line).toMatchObject({ error: { cause: { code: "22P02" } } });
});

test("below its level nothing is written, and its fields are not looked at", () => {
  const fields = {
    get costly(): never {
      throw new Error("looked at");
    },
  };
  expect(logged((log) => log.debug("x", fields))).toEqual([]);
});

function logged(use: (log: ReturnType<typeof createLog>) => void): Fields[] {
  const lines: Fields[] = [];
  use(createLog({ service: "s", level: "info", write: (line) => lines.push(JSON.parse(line)) }));
  return lines;
}
