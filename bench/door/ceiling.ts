// What JetStream itself can take: atomic batches of messages as large as the door's,
// made before, from a process that does nothing else. Prints batches' events a second.
//   node bench/door/ceiling.ts '{"url": …, "subject": …, "seconds": 5}'

import { randomBytes } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers as createHeaders } from "@nats-io/transport-node";

export type CeilingOptions = {
  readonly url: string;
  readonly subject: string;
  readonly seconds: number;
};

const batchEvents = 250;
/** Batches under way at once. */
const lanes = 2;
const messageBytes = 2_600;
/** Beside those that make the batch; as many bytes as an event's. */
const headerBytes = 450;

const { url, subject, seconds } = JSON.parse(process.argv[2] ?? "") as CeilingOptions;
const connection = await connect({ servers: new URL(url).host, noAsyncTraces: true });
const broker = jetstream(connection);
const message = randomBytes(messageBytes);
const about = "x".repeat(headerBytes);
let acked = 0;
let id = 0;
const endMs = performance.now() + seconds * 1_000;
await Promise.all(Array.from({ length: lanes }, publishBatches));
await connection.close();
process.stdout.write(String(acked / seconds));

async function publishBatches(): Promise<void> {
  while (performance.now() < endMs) {
    const batch = await broker.startBatch(subject, message, { headers: nextHeaders() });
    for (let n = 2; n < batchEvents; n += 1) {
      batch.add(subject, message, { headers: nextHeaders() });
    }
    await batch.commit(subject, message, { headers: nextHeaders() });
    if (performance.now() < endMs) acked += batchEvents;
  }
}

function nextHeaders() {
  const headers = createHeaders();
  headers.set("about", about);
  id += 1;
  headers.set("Nats-Msg-Id", `ceiling-${process.pid}-${id}`);
  return headers;
}
