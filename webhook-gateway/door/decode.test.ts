import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Collected } from "./collect.ts";
import { decodeGzip } from "./decode.ts";
import { createLoad } from "./load.ts";

const roomy = () => createLoad({ requestsMax: 1, bytesMax: 64 * 1024 ** 2 });

test("what is decoded is counted until it is released, and nothing else is", async () => {
  const load = roomy();
  const body = Buffer.from("x".repeat(100_000));
  const decoded = await decodeGzip(gzipSync(body), load, 100_000);
  if (decoded.kind !== "read") throw new Error(decoded.kind);
  expect(decoded.bytes.equals(body)).toBe(true);
  await expect.poll(() => load.bytes).toBe(decoded.held);
  load.releaseBytes(decoded.held);
  expect(load.bytes).toBe(0);
});

test("a bomb is given up on at the limit", async () => {
  const load = roomy();
  const bomb = gzipSync(Buffer.alloc(100 * 1024 ** 2));
  const before = process.memoryUsage().rss;
  expect(await decodeGzip(bomb, load, 262_144)).toEqual({ kind: "too-large" });
  expect(process.memoryUsage().rss - before).toBeLessThan(32 * 1024 ** 2);
  await expect.poll(() => load.bytes).toBe(0);
});

test.each([
  ["no gzip", Buffer.from("{}")],
  ["nothing", Buffer.alloc(0)],
  ["half of it", gzipSync("x".repeat(1_000)).subarray(0, 20)],
  [
    "a wrong checksum",
    Buffer.from(gzipSync("x").map((byte, at, { length }) => (at === length - 8 ? byte ^ 1 : byte))),
  ],
])("%s is malformed", async (_, body) => {
  const load = roomy();
  const decoded = await decodeGzip(body, load, 100_000);
  if (body.byteLength === 0 && decoded.kind === "read") expect(decoded.bytes).toHaveLength(0);
  else expect(decoded).toEqual({ kind: "encoding-malformed" });
  await expect.poll(() => load.bytes).toBe(0);
});

test("exactly the limit passes, one byte more does not", async () => {
  const body = Buffer.alloc(5_000, "x");
  expect((await decodeGzip(gzipSync(body), roomy(), 5_000)).kind).toBe("read");
  expect((await decodeGzip(gzipSync(body), roomy(), 4_999)).kind).toBe("too-large");
});

test("without room for it nothing is taken", async () => {
  const load = createLoad({ requestsMax: 1, bytesMax: 140_000 });
  expect((await decodeGzip(gzipSync(Buffer.alloc(50_000)), load, 100_000)).kind).toBe("no-room");
  await expect.poll(() => load.bytes).toBe(0);
});

test("a body of tiny pieces takes little more than its bytes, and what it takes is counted", () => {
  const load = roomy();
  const collected = new Collected(load, 1_000_000);
  for (let n = 0; n < 300_000; n++) collected.take(Buffer.from([n & 255]));
  expect(collected.bytes).toHaveLength(300_000);
  expect(collected.bytes.every((byte, at) => byte === (at & 255))).toBe(true);
  expect(load.bytes).toBe(collected.held);
  expect(collected.held).toBeLessThan(600_001);
  collected.release();
  expect(load.bytes).toBe(0);
});
