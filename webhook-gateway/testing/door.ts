// A door on a free port with certificates of its own, and a sender that speaks to it.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { Agent, request as httpsRequest, type RequestOptions } from "node:https";
import { connect as connectPlain, type Socket } from "node:net";
import { connect } from "node:tls";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { startDoor } from "../door/listen.ts";
import { createLoad, type LoadLimits } from "../door/load.ts";
import { createDoorMetrics } from "../door/metrics.ts";
import { createUnverified } from "../door/unverified.ts";
import type { EndpointsSnapshot } from "../endpoints.ts";
import { createReceiver, type ReceiverOptions } from "../receive.ts";
import type { StoreWebhooks } from "../store-webhook.ts";
import { testEndpoints } from "./senders.ts";

export const bodyTimeoutMs = 500;

export type Sending = {
  endpoint?: string;
  path?: string;
  method?: string;
  body?: string | Buffer;
  headers: Record<string, string | string[]>;
  /** Empty: no content type. */
  type?: string;
  chunked?: boolean;
};
export type Reply = { status: number; body: string; headers: Record<string, unknown> };

export type TestDoor = AsyncDisposable & {
  readonly port: number;
  send(sending: Sending): Promise<Reply>;
  openSocket(): Promise<Socket>;
  /** Sends text as it is, and returns everything the door says until it closes. */
  raw(text: string): Promise<string>;
  /** How many requests were refused for this reason. */
  rejected(reason: string): Promise<number>;
  gauge(name: string): Promise<number>;
};

const loadDefault: LoadLimits = { requestsMax: 1_000, bytesMax: 10_000_000 };

export type TestDoorOptions = {
  readonly limits?: LoadLimits;
  readonly endpoints?: () => EndpointsSnapshot;
  /** Plain HTTP. */
  readonly plain?: boolean;
  readonly publishTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly receiver?: Partial<ReceiverOptions>;
};

export async function openTestDoor(
  store: StoreWebhooks,
  options: TestDoorOptions = {},
): Promise<TestDoor> {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const { authority, dir, caFile } = certificates;
  const ca = readFileSync(caFile);
  const { certFile, keyFile } = await issueServerCertificate(authority, { name: "door", dir });
  const metrics = createMetrics("test");
  const load = createLoad(options.limits ?? loadDefault);
  const log = silentLog();
  const receive = createReceiver({
    endpoints: options.endpoints ?? (() => testEndpoints),
    store,
    load,
    unverified: createUnverified(),
    metrics: createDoorMetrics(metrics, load),
    log,
    bodyTimeoutMs,
    publishTimeoutMs: options.publishTimeoutMs ?? 5_000,
    now: () => new Date(),
    ...options.receiver,
  });
  const { requestTimeoutMs = 5_000 } = options;
  const bounds = { connectionsMax: 1_000, requestTimeoutMs, drainTimeoutMs: 5_000 };
  const files = options.plain ? { certFile: undefined, keyFile: undefined } : { certFile, keyFile };
  const config = { host: "127.0.0.1", port: 0, ...files, ...bounds };
  const { port } = stack.use(await startDoor(config, log, receive));

  const openSocket = async (): Promise<Socket> => {
    if (options.plain) {
      const socket = connectPlain({ port, host: "127.0.0.1" });
      await once(socket, "connect");
      return socket;
    }
    const socket = connect({ port, host: "127.0.0.1", ca });
    await once(socket, "secureConnect");
    return socket;
  };
  const metric = async (pattern: RegExp) => Number(pattern.exec(await metrics.render())?.[1] ?? 0);
  const opened = stack.move();
  return {
    port,
    send: (sending) => send({ port, ca, plain: options.plain ?? false }, sending),
    openSocket,
    async raw(text) {
      const socket = await openSocket();
      socket.write(Buffer.from(text, "latin1"));
      let reply = "";
      for await (const chunk of socket) reply += chunk;
      return reply;
    },
    rejected: (reason) =>
      metric(new RegExp(`^bursar_gateway_rejected_total\\{.*reason="${reason}".*\\} (\\d+)$`, "m")),
    gauge: (name) => metric(new RegExp(`^${name}\\{.*\\} (\\d+)$`, "m")),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

type At = { readonly port: number; readonly ca: Buffer; readonly plain: boolean };

async function send({ port, ca, plain }: At, sending: Sending): Promise<Reply> {
  const {
    endpoint = "stripe-endpoint",
    method = "POST",
    body,
    type = "application/json",
  } = sending;
  const options: RequestOptions = {
    host: "127.0.0.1",
    port,
    path: sending.path ?? `/v1/in/${endpoint}`,
    method,
    ...(plain ? { agent: false } : { ca, agent: new Agent({ keepAlive: false }) }),
    headers: {
      ...(type && { "content-type": type }),
      ...sending.headers,
      ...(body !== undefined && !sending.chunked && { "content-length": Buffer.byteLength(body) }),
    },
  };
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const request = (plain ? httpRequest : httpsRequest)(options, async (response) => {
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers });
  });
  request.on("error", reject);
  if (sending.chunked && body) request.write(body);
  request.end(sending.chunked ? undefined : body);
  return promise;
}
