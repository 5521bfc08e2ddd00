// The gateway as a process of its own, with workers, on a real broker and without a database: its
// doors need none. Whatever becomes of the test, the process is killed with it.

import { type ChildProcess, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { type Agent, request as httpsRequest } from "node:https";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { issueServerCertificate } from "#mesh/identity/authority.ts";
import type { TestCertificates } from "#mesh/testing/certificates.ts";

const secret = "whsec_0123456789abcdef0123456789abcdef";
const main = join(import.meta.dirname, "..", "main.ts");

export type GatewayProcess = AsyncDisposable & {
  readonly child: ChildProcess;
  readonly doorPort: number;
  readonly endpointsFile: string;
  /** Everything it has logged. */
  lines(): readonly Record<string, unknown>[];
  /** Process ids of its workers, those that live. */
  workers(): readonly number[];
  /** The status; undefined when no answer came. */
  send(eventId: string, agent?: Agent): Promise<number | undefined>;
  scrape(): Promise<string>;
  ready(): Promise<boolean>;
};

export async function startGatewayProcess(
  certificates: TestCertificates,
  over: Record<string, string>,
): Promise<GatewayProcess> {
  const { dir, authority, caFile } = certificates;
  const mesh = await certificates.identity("webhook-gateway");
  const operator = await certificates.identity("operator");
  const door = await issueServerCertificate(authority, { name: "door", dir });
  const accessFile = join(dir, "access.yaml");
  const grant = '{ identity: "spiffe://bursar/operator", scopes: ["*.*.*"], ledger_ids: ["*"] }';
  writeFileSync(accessFile, `grants: [${grant}]`);
  const endpointsFile = join(dir, "endpoints.yaml");
  writeFileSync(endpointsFile, endpoint("stripe-endpoint"));
  const [port, doorPort] = [await freePort(), await freePort()];
  const nowhere = "postgres://nobody@127.0.0.1:9/nothing";
  const child = spawn(process.execPath, [main], {
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      PATH: process.env["PATH"],
      PORT: String(port),
      TLS_CA_FILE: mesh.caFile,
      TLS_CERT_FILE: mesh.certFile,
      TLS_KEY_FILE: mesh.keyFile,
      ACCESS_FILE: accessFile,
      DATABASE_URL: nowhere,
      DATABASE_OWNER_URL: nowhere,
      DOOR_PORT: String(doorPort),
      DOOR_TLS_CERT_FILE: door.certFile,
      DOOR_TLS_KEY_FILE: door.keyFile,
      ENDPOINTS_FILE: endpointsFile,
      STRIPE_SECRET: secret,
      ...over,
    },
  });
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  const lines = () =>
    text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const ca = readFileSync(caFile);
  const get = async (path: string): Promise<{ status: number; body: string }> => {
    const tls = { cert: readFileSync(operator.certFile), key: readFileSync(operator.keyFile) };
    const asked = httpsRequest({ host: "127.0.0.1", port, path, ca, agent: false, ...tls }).end();
    const [response] = await once(asked, "response");
    let body = "";
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, body };
  };
  const ready = async () => (await get("/readyz").catch(() => undefined))?.status === 200;
  while (!(await ready())) {
    if (child.exitCode !== null) throw new Error(`the gateway ended: ${text}`);
    await sleep(20);
  }
  return {
    child,
    doorPort,
    endpointsFile,
    lines,
    workers: () => childrenOf(child.pid!),
    send: (eventId, agent) => send({ port: doorPort, ca }, eventId, agent),
    scrape: async () => (await get("/metrics")).body,
    ready,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}

export function endpoint(endpointId: string): string {
  return `endpoints:
  - endpoint_id: ${endpointId}
    provider_account: acct_demo
    ledger_id: main
    secrets: [{ environment: STRIPE_SECRET }]
    stripe: {}
`;
}

async function send(
  on: { readonly port: number; readonly ca: Buffer },
  eventId: string,
  agent: Agent | undefined,
): Promise<number | undefined> {
  const text = `{"id":"${eventId}","type":"test.event","created":1700000000,"data":{"object":{}}}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const mac = createHmac("sha256", secret).update(`${timestamp}.${text}`).digest("hex");
  const headers = {
    "stripe-signature": `t=${timestamp},v1=${mac}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(text),
  };
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const path = "/v1/in/stripe-endpoint";
  const options = { host: "127.0.0.1", ...on, path, method: "POST", headers };
  const asked = httpsRequest({ ...options, agent: agent ?? false, timeout: 10_000 }, (response) => {
    response.resume();
    resolve(response.statusCode);
  });
  asked.on("timeout", () => asked.destroy());
  asked.on("error", () => resolve(undefined));
  asked.end(text);
  return promise;
}

/** As Linux tells it. */
export function childrenOf(pid: number): number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  return readFileSync(path, "utf8").split(" ").filter(Boolean).map(Number);
}

/** A process that ended and was not waited for yet does not live. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
