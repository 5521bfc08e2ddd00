import { expect, test } from "vitest";
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

test("secrets are masked wherever they stand", () => {
  const error = new Error("cannot reach postgres://user:hunter2@host/db");
  const [line] = logged((log) =>
    log.error("x", {
      authorization: "Bearer hunter2",
      headers: { "Stripe-Signature": "hunter2", cookie: "hunter2" },
      endpoint: [{ signingSecret: "hunter2" }],
      url: "nats://user:hunter2@host",
      error: new Error("outer", { cause: error }),
    }),
  );
  expect(JSON.stringify(line)).not.toContain("hunter2");
  expect(line).toMatchObject({
    url: "nats://user:[redacted]@host",
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
