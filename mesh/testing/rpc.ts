// A mesh server on a free port of the loopback interface, and clients for it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { create, type DescService, type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import type { Client, ConnectRouter } from "@connectrpc/connect";
import { AccessConfigSchema, type RateLimitSchema } from "#gen/bursar/mesh/v1/access_pb.ts";
import type { Authority } from "../identity/authority.ts";
import { identityPrefix } from "../identity/tls.ts";
import type { MeshConfig } from "../process/config.ts";
import { createLog } from "../process/log.ts";
import { createMetrics } from "../process/metrics.ts";
import { openClient } from "../rpc/client.ts";
import { type ServerOptions, startServer } from "../rpc/server.ts";
import { type TestCertificates, testCertificates } from "./certificates.ts";

export type TestServerOptions = {
  readonly routes: (router: ConnectRouter) => void;
  /** Last part of the server's own identity. */
  readonly service?: string;
  readonly readiness?: ServerOptions["readiness"];
  readonly config?: Partial<MeshConfig>;
  /** By last part of the identity; `test-client` may do everything unless it is named here. */
  readonly grants?: Readonly<Record<string, TestGrant>>;
  /** Of another server's certificates, so that one client trusts both. */
  readonly authority?: Authority;
};

export type TestGrant = {
  readonly scopes: readonly string[];
  readonly ledgerIds?: readonly string[];
  readonly rateLimits?: readonly MessageInitShape<typeof RateLimitSchema>[];
};

export type TestServer = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  /** Undefined: it does not listen for browsers. */
  readonly browserPort: number | undefined;
  readonly certificates: TestCertificates;
  /** What the server logged, parsed. */
  readonly logLines: readonly Record<string, unknown>[];
  /** Stops the server alone: its clients stay open. */
  stop(): Promise<void>;
  /** A mesh client with the identity `spiffe://bursar/<name>`; closed with the server. */
  client<S extends DescService>(service: S, name?: string): Promise<Client<S>>;
};

const everything: TestGrant = { scopes: ["*.*.*"], ledgerIds: ["*"] };

export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  await using stack = new AsyncDisposableStack();
  const { service = "test-service", routes, readiness = () => [] } = options;
  const certificates = stack.use(await testCertificates(options.authority));
  const logLines: Record<string, unknown>[] = [];
  const write = (line: string) => void logLines.push(JSON.parse(line));
  const grants = { "test-client": everything, ...options.grants };
  const server = stack.use(
    await startServer({
      service,
      config: {
        host: "127.0.0.1",
        port: 0,
        tls: await certificates.identity(service),
        accessFile: writeAccess(certificates.dir, grants),
        jwksFile: undefined,
        logLevel: "debug",
        drainTimeoutMs: 5_000,
        validateResponses: "refuse",
        ...options.config,
      },
      log: createLog({ service, level: "debug", write }),
      metrics: createMetrics(service),
      routes,
      readiness,
    }),
  );
  const url = `https://localhost:${server.port}`;
  const owned = stack.move();
  return {
    url,
    port: server.port,
    browserPort: server.browserPort,
    certificates,
    logLines,
    stop: async () => server[Symbol.asyncDispose](),
    async client(desc, name = "test-client") {
      const tls = await certificates.identity(name);
      return owned.use(openClient(desc, { url, tls })).rpc;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

export function writeAccess(dir: string, grants: Readonly<Record<string, TestGrant>>): string {
  const config = create(AccessConfigSchema, {
    grants: Object.entries(grants).map(([name, { scopes, ledgerIds = [], rateLimits = [] }]) => ({
      identity: `${identityPrefix}${name}`,
      scopes: [...scopes],
      ledgerIds: [...ledgerIds],
      rateLimits: [...rateLimits],
    })),
  });
  const file = join(dir, "access.json");
  writeFileSync(file, toJsonString(AccessConfigSchema, config));
  return file;
}
