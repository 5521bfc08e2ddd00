import { connect } from "node:http2";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "#gen/grpc/health/v1/health_pb.ts";
import { readTls } from "../identity/tls.ts";
import { echoClient, echoed, startEchoServer, type Untyped } from "../testing/echo-server.ts";

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
