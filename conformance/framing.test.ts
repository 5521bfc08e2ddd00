import fc from "fast-check";
import { expect, test } from "vitest";
import { frame, readFrames } from "./framing.ts";

test("messages come out as they went in, wherever the stream is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.integer({ min: 1, max: 20 }),
      async (messages, chunkBytes) => {
        const stream = Buffer.concat(messages.map(frame));
        const read = await collect(readFrames(chunked(stream, chunkBytes)));
        expect(read.map((one) => [...one])).toEqual(messages.map((one) => [...one]));
      },
    ),
    { numRuns: 200 },
  );
});

test("the size stands before the message, its biggest byte first", () => {
  expect([...frame(new Uint8Array(258))].slice(0, 4)).toEqual([0, 0, 1, 2]);
});

test("an input that ends inside a message is a fault", async () => {
  const stream = frame(new Uint8Array([1, 2, 3])).subarray(0, 5);
  await expect(collect(readFrames(chunked(stream, 2)))).rejects.toThrow("ends 5 bytes into");
});

test("a size that nobody sends is refused before it is waited for", async () => {
  const stream = Buffer.from([0xff, 0xff, 0xff, 0xff]);
  await expect(collect(readFrames(chunked(stream, 4)))).rejects.toThrow("too large");
});

async function* chunked(stream: Uint8Array, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < stream.length; at += size) yield stream.subarray(at, at + size);
}

async function collect(frames: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const read: Uint8Array[] = [];
  // What was read is valid until the next one is asked for.
  for await (const one of frames) read.push(Uint8Array.from(one));
  return read;
}
