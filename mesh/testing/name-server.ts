// A DNS server on the loopback interface that answers every question for A records with the
// addresses it was told, and says that there are no others.

import { createSocket } from "node:dgram";
import { once } from "node:events";

export type NameServer = AsyncDisposable & {
  /** `<ip>:<port>` */
  readonly address: string;
  /** What it answers from now on; undefined: it fails. */
  answer(addresses: readonly string[] | undefined): void;
};

const typeA = 1;
const failed = 2;

export async function startNameServer(): Promise<NameServer> {
  const socket = createSocket("udp4");
  let known: readonly string[] | undefined = [];
  socket.on("message", (query, { port, address }) => {
    socket.send(reply(query, known), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${socket.address().port}`,
    answer(addresses) {
      known = addresses;
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function reply(query: Buffer, known: readonly string[] | undefined): Buffer {
  let end = 12;
  while (query[end] !== 0) end += 1 + (query[end] ?? 0);
  const question = query.subarray(12, end + 5);
  const type = question.readUInt16BE(question.length - 4);
  const addresses = type === typeA && known ? known : [];
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | (known ? 0 : failed), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    // The name of the question, type A, class IN, TTL 0, four bytes.
    const fixed = Buffer.from([0xc0, 12, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4]);
    return Buffer.concat([fixed, Buffer.from(address.split(".").map(Number))]);
  });
  return Buffer.concat([header, question, ...records]);
}
