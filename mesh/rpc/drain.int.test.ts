import { connect } from "node:http2";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "#gen/grpc/health/v1/health_pb.ts";
import { readTls } from "../identity/tls.ts";
import {
  echoClient,
  echoed,
  send,
  sendJson,
  startEchoServer,
  type Untyped,
} from "../testing/echo-server.ts";

test("a call under way is finished, a new one is not taken", async () => {
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using server = await startEchoServer({
    async echo(request: Untyped, context) {
      arrived.resolve();
      await release.promise;
      return echoed(request, context);
    },
  });
  const client = await echoClient(server);
  const answer = client.echo({ text: "under way" });
  await arrived.promise;

  const stopped = server.stop();
  await sleep(50);
  const late = await client.write({ text: "late" }, { timeoutMs: 500 }).catch(asError);
  expect(late.code).toBe(Code.Unavailable);
  release.resolve();
  expect(await answer).toMatchObject({ text: "under way" });
  await stopped;
});

test("a lame duck says that it leaves, and still answers whoever has not heard", async () => {
  await using server = await startEchoServer({}, { config: { lameDuckMs: 500 } });
  const health = await server.client(Health);
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { status } of health.watch({})) seen.push(status);
  })();
  await expect.poll(() => seen.length).toBe(1);
  const stopped = server.stop();
  await watching.catch(() => undefined);
  expect(seen.at(-1)).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  expect((await send(server, "/readyz")).status).toBe(503);
  expect((await sendJson(server, '{"text":"new connection"}')).json.text).toBe("new connection");
  await stopped;
});

test("what comes after the last call that was taken is refused untouched, and told so", async () => {
  const release = Promise.withResolvers<void>();
  let handled = 0;
  await using server = await startEchoServer({
    async echo(request: Untyped) {
      handled += 1;
      await release.promise;
      return { text: request.text };
    },
  });
  const tls = readTls(await server.certificates.identity("test-client"));
  const socket = connectTls({ host: "localhost", port: server.port, ...tls });
  let answers = "";
  socket.on("data", (bytes) => {
    answers += bytes.toString();
  });
  const post = (text: string) => {
    const body = JSON.stringify({ text });
    const head = `POST /bursar.testing.v1.EchoService/Echo HTTP/1.1\r\nhost: localhost`;
    const headers = `content-type: application/json\r\ncontent-length: ${body.length}`;
    socket.write(`${head}\r\n${headers}\r\n\r\n${body}`);
  };
  post("first");
  await expect.poll(() => handled).toBe(1);
  const stopped = server.stop();
  await sleep(20);
  post("second");
  await sleep(20);
  release.resolve();
  await stopped;
  expect(answers).toContain('"text":"first"');
  expect(answers).toContain("HTTP/1.1 503 ");
  expect(answers).toContain("REQUEST_REFUSAL_STOPPING");
  expect(handled).toBe(1);
});

test("a call that outlasts the drain is aborted with a typed error", async () => {
  const arrived = Promise.withResolvers<AbortSignal>();
  await using server = await startEchoServer(
    {
      echo(_request, context) {
        arrived.resolve(context.signal);
        return new Promise(() => undefined);
      },
    },
    { config: { drainTimeoutMs: 100 } },
  );
  const client = await echoClient(server);
  const answer = client.echo({ text: "endless" }).catch(asError);
  const signal = await arrived.promise;
  const startedAt = performance.now();
  await server.stop();
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  expect(signal.aborted).toBe(true);
  expect((await answer).code).toBe(Code.Unavailable);
});

test("idle connections, watches and oversized requests without an end hold nothing back", async () => {
  await using server = await startEchoServer();
  const tls = readTls(await server.certificates.identity("test-client"));
  const agent = new Agent({ keepAlive: true, ...tls });
  await new Promise((resolve, reject) => {
    const request = httpsRequest(`${server.url}/livez`, { agent }, (response) => {
      response.resume().on("end", resolve);
    });
    request.on("error", reject).end();
  });

  const session = connect(server.url, tls);
  session.on("error", () => undefined);
  const statuses = [];
  for (const type of ["application/json", "application/proto", "application/grpc+proto"]) {
    statuses.push(await oversized(session, type));
  }
  expect(statuses).toEqual(["429 undefined", "429 undefined", "200 8"]);

  const statusesSeen: number[] = [];
  const health = await server.client(Health);
  const watching = (async () => {
    for await (const { status } of health.watch({})) statusesSeen.push(status);
  })();
  while (statusesSeen.length === 0) await sleep(10);

  const startedAt = performance.now();
  await server.stop();
  expect(performance.now() - startedAt).toBeLessThan(1_000);
  await watching.catch(() => undefined);
  const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
  expect(statusesSeen).toEqual([SERVING, NOT_SERVING]);
  agent.destroy();
});

/** Sends more than the limit without ever ending the request; status and gRPC status answered. */
function oversized(session: ReturnType<typeof connect>, type: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const stream = session.request({
    ":method": "POST",
    ":path": "/bursar.testing.v1.EchoService/Write",
    "content-type": type,
  });
  let status: unknown;
  let grpcStatus: unknown;
  stream.on("response", (headers) => {
    status = headers[":status"];
  });
  stream.on("trailers", (trailers) => {
    grpcStatus = trailers["grpc-status"];
  });
  stream.on("error", reject);
  stream.on("close", () => resolve(`${status} ${grpcStatus}`));
  stream.resume();
  const head = Buffer.from([0, 0, 0x20, 0, 0]);
  stream.write(Buffer.concat([head, Buffer.alloc(200_000, " ")]));
  return promise;
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
