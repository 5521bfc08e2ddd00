import { readFileSync } from "node:fs";
import { Code } from "@connectrpc/connect";
import * as grpc from "@grpc/grpc-js";
import { validateServiceConfig } from "@grpc/grpc-js/build/src/service-config.js";
import { expect, test } from "vitest";
import { OrderService } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { LedgerService } from "#gen/bursar/ledger/v1/ledger_service_pb.ts";
import { echo, startEchoServer } from "../../testing/echo-server.ts";
import { refuse } from "../errors.ts";
import { type GrpcMethodConfig, serviceConfigOf } from "./service-config.ts";

test("policies become what gRPC libraries follow", () => {
  const { methodConfig, ...rest } = serviceConfigOf(echo.service);
  expect(rest).toEqual({
    loadBalancingConfig: [{ round_robin: {} }],
    healthCheckConfig: { serviceName: "bursar.testing.v1.EchoService" },
    retryThrottling: { maxTokens: 10, tokenRatio: 0.1 },
  });
  const of = (method: string) => withoutName(methodConfig, method);
  expect(of("Echo")).toEqual({
    timeout: "1s",
    retryPolicy: {
      maxAttempts: 3,
      initialBackoff: "0.025s",
      maxBackoff: "1s",
      backoffMultiplier: 2,
      retryableStatusCodes: ["UNAVAILABLE"],
    },
  });
  expect(of("Hurry")).toEqual({
    timeout: "1s",
    hedgingPolicy: {
      maxAttempts: 2,
      hedgingDelay: "0.05s",
      nonFatalStatusCodes: ["UNAVAILABLE"],
    },
  });
  // Its key may be left out, and then a second call would do harm.
  expect(of("Write")).toEqual({ timeout: "5s", maxRequestMessageBytes: 65_536 });
  expect(of("Repeat")).toEqual({});
});

test("a method whose key the schema demands may be repeated", () => {
  const { methodConfig } = serviceConfigOf(LedgerService);
  expect(withoutName(methodConfig, "PostTransaction")).toHaveProperty("retryPolicy");
});

test.each([echo.service, LedgerService, OrderService])(
  "grpc-js takes the config of $typeName",
  (service) => {
    const config = serviceConfigOf(service);
    expect(validateServiceConfig(structuredClone(config)).methodConfig).toHaveLength(
      service.methods.length,
    );
  },
);

test("a gRPC client of another library repeats by it", async () => {
  let calls = 0;
  await using server = await startEchoServer({
    echo() {
      calls += 1;
      if (calls < 3) throw refuse(Code.Unavailable, "not yet");
      return { text: "hi" };
    },
  });
  const { caFile, certFile, keyFile } = await server.certificates.identity("test-client");
  const [ca, key, cert] = [caFile, keyFile, certFile].map((file) => readFileSync(file));
  const client = new grpc.Client(
    `localhost:${server.port}`,
    grpc.credentials.createSsl(ca, key, cert),
    { "grpc.service_config": JSON.stringify(serviceConfigOf(echo.service)) },
  );
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>();
  client.makeUnaryRequest(
    "/bursar.testing.v1.EchoService/Echo",
    (bytes: Buffer) => bytes,
    (bytes) => bytes,
    Buffer.alloc(0),
    (error, answer) => (error ? reject(error) : resolve(answer)),
  );
  expect((await promise)?.toString()).toContain("hi");
  expect(calls).toBe(3);
  client.close();
});

function withoutName(configs: readonly GrpcMethodConfig[], method: string) {
  const found = configs.find((config) => config.name[0]?.method === method);
  const { name: _, ...rest } = found ?? { name: [] };
  return rest;
}
