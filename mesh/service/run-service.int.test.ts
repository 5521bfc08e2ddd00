import type { ConnectRouter } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/bursar/cms/v1/events_pb.ts";
import { TransactionPostedSchema } from "#gen/bursar/ledger/v1/events_pb.ts";
import { ConsumerService } from "#gen/bursar/mesh/v1/consumer_service_pb.ts";
import { DeadLetterService } from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { PaymentSucceededSchema } from "#gen/bursar/payments/v1/events_pb.ts";
import { ReceiptIssuedSchema } from "#gen/bursar/receipt/v1/events_pb.ts";
import { ConfigError } from "../process/config.ts";
import { openClient } from "../rpc/client.ts";
import { silentLog } from "../testing/broker.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echo, type Untyped } from "../testing/echo-server.ts";
import { writeAccess } from "../testing/rpc.ts";
import { startTestService } from "../testing/service.ts";
import { keep, on, type ServiceDefinition } from "./run-service.ts";
import { startService } from "./start-service.ts";

const migrations = new URL("../events/migrations/", import.meta.url);
const database = { schema: "mesh", migrations };
const echoes = (router: ConnectRouter) =>
  void router.service(echo.service, { echo: () => ({ text: "hello" }) } as Untyped);

test("a service of RPCs alone needs neither database nor broker, and tells operators nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const certificates = stack.use(await testCertificates());
  const own = await certificates.identity("plain-service");
  const env = {
    TLS_CA_FILE: own.caFile,
    TLS_CERT_FILE: own.certFile,
    TLS_KEY_FILE: own.keyFile,
    ACCESS_FILE: writeAccess(certificates.dir, { shop: { scopes: ["*.*.*"] } }),
  };
  const definition = { service: "plain-service", routes: echoes };
  const { port } = stack.use(await startService(definition, env, silentLog()));
  const connect = { url: `https://localhost:${port}`, tls: await certificates.identity("shop") };
  const rpc = stack.use(openClient(echo.service, connect)).rpc as Untyped;
  expect(await rpc.echo({})).toMatchObject({ text: "hello" });
  const letters = stack.use(openClient(DeadLetterService, connect)).rpc;
  const error = await letters.listDeadLetters({}).catch(ConnectError.from);
  expect(error).toMatchObject({ code: Code.Unimplemented });
});

test("a service with events has its operators' RPCs, and handles what arrives", async () => {
  const definition: ServiceDefinition = {
    service: "receipt-service",
    database,
    produces: [ReceiptIssuedSchema],
    consumes: [on(TransactionPostedSchema, async () => undefined)],
    routes: echoes,
  };
  await using service = await startTestService(definition);
  const letters = await service.client(DeadLetterService);
  expect(await letters.listDeadLetters({})).toMatchObject({ deadLetters: [] });
  const consumers = await service.client(ConsumerService);
  expect(await consumers.listParked({})).toMatchObject({ parked: [] });
  expect(await ((await service.client(echo.service)) as Untyped).echo({})).toMatchObject({
    text: "hello",
  });
});

test("everything that is wrong with a configuration is said at once", async () => {
  const definition = { service: "receipt-service", database, produces: [ReceiptIssuedSchema] };
  const error = await startService(definition, { PORT: "x" }, silentLog()).catch((e) => e);
  expect(error).toBeInstanceOf(ConfigError);
  for (const name of ["PORT", "TLS_CA_FILE", "DATABASE_URL", "DATABASE_OWNER_URL", "NATS_URL"]) {
    expect(error.message).toContain(name);
  }
});

const handled = async () => undefined;

test.each<[string, Partial<ServiceDefinition>, RegExp]>([
  [
    "consumes what is not meant for it",
    { consumes: [on(PaymentSucceededSchema, handled)] },
    /receipt-service consumes it and is none of its consumers/,
  ],
  [
    "publishes what is not its own",
    { produces: [OrderChangedSchema] },
    /receipt-service publishes it and is none of its producers/,
  ],
  [
    "handles an event twice",
    { consumes: [on(OrderChangedSchema, handled), keep(OrderChangedSchema, "t", "change_time")] },
    /two consumers of the event .*OrderChanged/,
  ],
  [
    "has events and nowhere to account for them",
    { database: undefined as never, produces: [ReceiptIssuedSchema] },
    /needs a database and declares none/,
  ],
  [
    "keeps versions by a field that is none",
    {
      get consumes() {
        return [keep(OrderChangedSchema, "t", "version")];
      },
    },
    /has no field version/,
  ],
])("a service that %s does not start", async (_, over, problem) => {
  const starting = async () =>
    startService({ service: "receipt-service", database, ...over }, {}, silentLog());
  await expect(starting()).rejects.toThrow(problem);
});
