// A whole service within the test, started from its definition as its process starts it, with a
// broker, a database and certificates of its own.

import assert from "node:assert/strict";
import type { DescService } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import type { Broker } from "../events/broker.ts";
import type { Env } from "../process/config.ts";
import { openClient } from "../rpc/client.ts";
import type { Server } from "../rpc/server.ts";
import type { ServiceDefinition } from "../service/service-definition.ts";
import { startService } from "../service/start-service.ts";
import { openTestBroker, silentLog } from "./broker.ts";
import { type TestCertificates, testCertificates } from "./certificates.ts";
import { openTestDatabase, type TestDatabase } from "./database.ts";
import { type TestGrant, writeAccess } from "./rpc.ts";
import { type TestTokens, testTokens } from "./tokens.ts";

export type TestService = AsyncDisposable & {
  readonly server: Server;
  /** What it was started with. */
  readonly env: Env;
  readonly certificates: TestCertificates;
  readonly tokens: TestTokens;
  readonly database: TestDatabase;
  /** The test's own connection to the broker, under the name of a publisher. */
  readonly broker: Broker;
  /** A mesh client with the identity `spiffe://bursar/<name>`; closed with the service. */
  client<S extends DescService>(service: S, name?: string): Promise<Client<S>>;
};

export type TestServiceOptions = {
  readonly env?: Env;
  /** By last part of the identity; `test-client` may do everything unless it is named here. */
  readonly grants?: Readonly<Record<string, TestGrant>>;
  /** Identity that publishes what the service consumes. */
  readonly publisher?: string;
};

export async function startTestService(
  definition: ServiceDefinition,
  { env: more = {}, grants, publisher }: TestServiceOptions = {},
): Promise<TestService> {
  await using stack = new AsyncDisposableStack();
  const { service, database: keeps } = definition;
  assert(keeps, `${service} keeps nothing: start it with startService`);
  const { url: brokerUrl, broker } = stack.use(await openTestBroker(publisher));
  const database = stack.use(await openTestDatabase(keeps));
  const certificates = stack.use(await testCertificates());
  const tokens = stack.use(await testTokens(service));
  const tls = await certificates.identity(service);
  const env = {
    TLS_CA_FILE: tls.caFile,
    TLS_CERT_FILE: tls.certFile,
    TLS_KEY_FILE: tls.keyFile,
    ACCESS_FILE: writeAccess(certificates.dir, {
      "test-client": { scopes: ["*.*.*"], ledgerIds: ["*"] },
      ...grants,
    }),
    JWKS_FILE: tokens.jwksFile,
    DATABASE_URL: database.url,
    DATABASE_OWNER_URL: database.ownerUrl,
    NATS_URL: brokerUrl,
    STREAM_BYTES_MAX: String(64 * 1024 ** 2),
    ...more,
  };
  const server = stack.use(await startService(definition, env, silentLog()));
  const url = `https://localhost:${server.port}`;
  const opened = stack.move();
  return {
    server,
    env,
    certificates,
    tokens,
    database,
    broker,
    async client(desc, name = "test-client") {
      const own = await certificates.identity(name);
      return opened.use(openClient(desc, { url, tls: own })).rpc;
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
