// How the runner speaks with the programs that it starts: messages over standard
// input and output, each after its size in four bytes, the biggest byte first.

const headBytes = 4;
/** The runner's own limit is 16 MiB. */
const messageBytesMax = 32 * 1024 * 1024;

export async function* readFrames(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= headBytes) {
      const size = rest.readUInt32BE(0);
      if (size > messageBytesMax) throw new Error(`a message of ${size} bytes is too large`);
      if (rest.length < headBytes + size) break;
      yield rest.subarray(headBytes, headBytes + size);
      rest = rest.subarray(headBytes + size);
    }
  }
  if (rest.length > 0) throw new Error(`the input ends ${rest.length} bytes into a message`);
}

export function frame(message: Uint8Array): Uint8Array {
  const framed = Buffer.alloc(headBytes + message.length);
  framed.writeUInt32BE(message.length, 0);
  framed.set(message, headBytes);
  return framed;
}
