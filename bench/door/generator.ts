// Webhooks from a process of its own, as lean as can be, because it shares the
// machine with what it measures: raw sockets, requests that were signed before,
// answers that are looked at just enough to count them. Prints one JSON line.
//   node bench/door/generator.ts '{"port": …, "path": "/v1/in/…", "connections": 64, …}'

import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectPlain, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { newStripePayment, paymentIntentSucceeded } from "#dev/stripe-events.ts";

export type GeneratorOptions = {
  readonly port: number;
  readonly path: string;
  /** Left out: plain HTTP. */
  readonly caFile?: string | undefined;
  readonly secret: string;
  readonly connections: number;
  /** Left out: each connection sends one webhook, all of them at the same instant. */
  readonly seconds?: number;
};

export type GeneratorResult = {
  readonly acked: number;
  /** Answered otherwise than with 200. */
  readonly refused: number;
  /** Not answered at all. */
  readonly unanswered: number;
  /** Answers of any kind, those before the clock started included. */
  readonly answered: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

const warmUpMs = 1_500;
/** More than any server here answers; who comes to the end stops early. */
const requestsASecondMax = 14_000;
const burstMsMax = 60_000;
const bodyBytes = 2_048;

const options = JSON.parse(process.argv[2] ?? "") as GeneratorOptions;
const { seconds, connections } = options;
const result = seconds === undefined ? await burst() : await rate(seconds);
process.stdout.write(JSON.stringify(result), () => process.exit(0));

/** Each connection sends the next webhook when it has its answer, for a fixed time. */
async function rate(forSeconds: number): Promise<GeneratorResult> {
  const count = Math.ceil((forSeconds + warmUpMs / 1_000) * requestsASecondMax);
  const requests = signedRequests(connections === 1 ? Math.ceil(count / 8) : count);
  const sockets = await openSockets();
  const startMs = performance.now() + warmUpMs;
  const endMs = startMs + forSeconds * 1_000;
  const ackedMs: number[] = [];
  let [refused, answered, lastMs] = [0, 0, startMs];
  const drive = async (socket: Socket) => {
    const ended = Promise.withResolvers<void>();
    let sentMs = 0;
    const sendNext = () => {
      const request = requests.pop();
      sentMs = performance.now();
      if (request === undefined || sentMs >= endMs) ended.resolve();
      else socket.write(request);
    };
    socket.once("close", ended.resolve);
    onAnswer(socket, (status) => {
      const nowMs = performance.now();
      answered += 1;
      if (sentMs >= startMs && nowMs <= endMs) {
        lastMs = nowMs;
        if (status === 200) ackedMs.push(nowMs - sentMs);
        else refused += 1;
      }
      sendNext();
    });
    sendNext();
    await ended.promise;
  };
  await Promise.all(sockets.map(drive));
  return summary(ackedMs, { refused, unanswered: 0, answered }, (lastMs - startMs) / 1_000);
}

/** One webhook a connection; the connections are open before. */
async function burst(): Promise<GeneratorResult> {
  const requests = signedRequests(connections);
  const sockets = await openSockets();
  const ackedMs: number[] = [];
  let refused = 0;
  const done = Promise.withResolvers<void>();
  const startMs = performance.now();
  for (const [n, socket] of sockets.entries()) {
    onAnswer(socket, (status) => {
      if (status === 200) ackedMs.push(performance.now() - startMs);
      else refused += 1;
      if (ackedMs.length + refused === connections) done.resolve();
    });
    socket.write(requests[n]!);
  }
  const timer = setTimeout(done.resolve, burstMsMax);
  await done.promise;
  clearTimeout(timer);
  const answered = ackedMs.length + refused;
  const unanswered = connections - answered;
  const counts = { refused, unanswered, answered };
  return summary(ackedMs, counts, (performance.now() - startMs) / 1_000);
}

function summary(
  ackedMs: number[],
  counts: Pick<GeneratorResult, "refused" | "unanswered" | "answered">,
  elapsedSeconds: number,
): GeneratorResult {
  ackedMs.sort((a, b) => a - b);
  const at = (share: number) => ackedMs[Math.min(ackedMs.length - 1, share * ackedMs.length) | 0];
  return {
    acked: ackedMs.length,
    ...counts,
    perSecond: ackedMs.length / elapsedSeconds,
    p50Ms: at(0.5) ?? Number.NaN,
    p99Ms: at(0.99) ?? Number.NaN,
    maxMs: at(1) ?? Number.NaN,
  };
}

/** As Stripe sends them, each an event of its own. */
function signedRequests(count: number): Buffer[] {
  const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId: "none" });
  const event = paymentIntentSucceeded(payment);
  const short = JSON.stringify({ ...event, id: "evt_000000000000000000000000", padding: "" });
  const padding = "x".repeat(Math.max(0, bodyBytes - short.length));
  const { id: _, ...rest } = { ...event, padding };
  const tail = `,${JSON.stringify(rest).slice(1)}`;
  const run = randomBytes(8).toString("hex");
  const timestamp = Math.floor(Date.now() / 1_000);
  const head = `POST ${options.path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: Stripe/1.0\r\n`;
  return Array.from({ length: count }, (_, n) => {
    const body = `{"id":"evt_${run}${n.toString(16).padStart(8, "0")}"${tail}`;
    const mac = createHmac("sha256", options.secret).update(`${timestamp}.${body}`).digest("hex");
    const sized = `content-type: application/json\r\ncontent-length: ${body.length}\r\n`;
    const signature = `stripe-signature: t=${timestamp},v1=${mac}\r\n`;
    return Buffer.from(`${head}accept: */*\r\n${sized}${signature}\r\n${body}`, "latin1");
  });
}

/** A few at a time: opening them is not what is measured. */
async function openSockets(): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < connections) {
    const count = Math.min(64, connections - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: count }, openSocket))));
  }
  return sockets;
}

async function openSocket(): Promise<Socket> {
  const { port, caFile } = options;
  const at = { host: "127.0.0.1", port, noDelay: true };
  const socket = caFile
    ? connectTls({ ...at, ca: readFileSync(caFile), servername: "localhost" })
    : connectPlain(at);
  socket.on("error", () => {});
  await once(socket, caFile ? "secureConnect" : "connect");
  return socket;
}

/** Calls back with the status when an answer is there to its last byte. */
function onAnswer(socket: Socket, take: (status: number) => void): void {
  let held: Buffer | undefined;
  socket.on("data", (chunk: Buffer) => {
    const bytes = held ? Buffer.concat([held, chunk]) : chunk;
    const headEnd = bytes.indexOf("\r\n\r\n");
    const head = headEnd < 0 ? "" : bytes.toString("latin1", 0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
    held = bytes.length >= headEnd + 4 + length ? undefined : bytes;
    if (held === undefined) take(Number(head.slice(9, 12)));
  });
}
