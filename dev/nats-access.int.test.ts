import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, expect, test, vi } from "vitest";
import { openBroker } from "#mesh/events/broker.ts";
import type { BrokerAccess } from "#mesh/events/broker-access.ts";
import { isForbidden } from "#mesh/events/broker-refusals.ts";
import { natsPermissions } from "#mesh/identity/nats-permissions.ts";
import { identityPrefix } from "#mesh/identity/tls.ts";
import { createLog } from "#mesh/process/log.ts";
import { createMetrics } from "#mesh/process/metrics.ts";
import { testCertificates } from "#mesh/testing/certificates.ts";
import { freePort } from "./child.ts";
import { allEvents } from "./events.ts";
import { type NatsTls, type NatsUser, startNatsServer } from "./nats-server.ts";

const events = await allEvents();
const certificates = await testCertificates();
const folder = mkdtempSync(join(tmpdir(), "bursar-nats-access-"));
afterAll(async () => {
  await certificates[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const name = "cms-service";
const permissions = natsPermissions({ identity: name, events });
const own = "bursar.cms.v1.CoursePublished";
const foreign = "bursar.payments.v1.PaymentSucceeded";

test("a password that was changed in its file is shown at the next dial", async () => {
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, "first\n");
  const port = await freePort();
  const withPassword = (password: string) => serve(port, [{ user: name, password, permissions }]);
  const first = await withPassword("first");
  await using service = open({ url: `nats://${name}@127.0.0.1:${port}`, passwordFile });
  expect(await service.broker.waitUntilConnected(10_000)).toBe(true);
  await first[Symbol.asyncDispose]();

  await using _second = await withPassword("second");
  await vi.waitFor(() => expect(service.lines()).toContain("the broker refuses this process"), {
    timeout: 10_000,
  });
  expect(service.broker.connected).toBe(false);
  writeFileSync(passwordFile, "second\n");

  expect(await service.broker.waitUntilConnected(10_000)).toBe(true);
  // However many dials were refused in between.
  const refused = service.lines().filter((line) => line === "the broker refuses this process");
  expect(refused).toHaveLength(1);
  expect(service.text()).not.toMatch(/first|second/);
});

test("a broker that knows certificates takes the identity in place of a password", async () => {
  const port = await freePort();
  const user = { user: `${identityPrefix}${name}`, permissions };
  await using _server = await serve(port, [user], { mutual: true });
  const tls = await certificates.identity(name);
  await using service = open({ url: `tls://localhost:${port}`, tls });
  expect(await service.broker.waitUntilConnected(10_000)).toBe(true);
  const { connection } = service.broker;
  connection.publish(own, "x");
  await connection.flush();
  const forged = await connection.request(foreign, "x", { timeout: 2_000 }).catch((error) => error);
  expect(isForbidden(forged)).toBe(true);

  const stranger = await certificates.identity("stranger");
  await using other = open({ url: `tls://localhost:${port}`, tls: stranger });
  expect(await other.broker.waitUntilConnected(1_000)).toBe(false);
});

test("a broker that somebody else signed, or that speaks in the clear, gets no password", async () => {
  const users = [{ user: name, password: "secret", permissions }];
  const [port, plainPort] = [await freePort(), await freePort()];
  await using _server = await serve(port, users, {});
  await using _plain = await serve(plainPort, users);
  await using foreignAuthority = await testCertificates();
  const at = (where: number) => `tls://${name}:secret@localhost:${where}`;
  const { caFile } = certificates;
  await using good = open({ url: at(port), tls: { caFile } });
  await using wrong = open({ url: at(port), tls: { caFile: foreignAuthority.caFile } });
  await using clear = open({ url: at(plainPort), tls: { caFile } });
  expect(await good.broker.waitUntilConnected(10_000)).toBe(true);
  expect(await wrong.broker.waitUntilConnected(1_000)).toBe(false);
  expect(await clear.broker.waitUntilConnected(1)).toBe(false);
});

test("credentials of an operator's making stand in a file, read at every dial", async () => {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const [first, second] = [nkeys.createUser(), nkeys.createUser()];
  const credentialsFile = join(folder, "service.creds");
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true };
  const { publish, subscribe } = permissions;
  const write = (user: KeyPair, signer: KeyPair) => {
    const rights = { pub: publish, sub: subscribe, ...unlimited };
    const text = jwt(signer, user, { type: "user", version: 2, ...rights });
    writeFileSync(credentialsFile, credentialsOf(text, user));
  };
  const preload = [account, system].map((one) => {
    const claims = jwt(operator, one, { type: "account", version: 2, limits });
    return `${one.getPublicKey()}: "${claims}"`;
  });
  const more = `operator: "${jwt(operator, operator, { type: "operator", version: 2 })}"
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${preload.join(", ")} }
`;
  await using server = await startNatsServer({ dataDir: join(folder, "nats-operator"), more });
  write(first, nkeys.createAccount());
  await using service = open({ url: server.url, credentialsFile });
  expect(await service.broker.waitUntilConnected(1_000)).toBe(false);

  writeFileSync(credentialsFile, "half a file");
  await vi.waitFor(() => expect(service.text()).toMatch(/credentials are not valid/), 10_000);
  write(second, account);

  expect(await service.broker.waitUntilConnected(10_000)).toBe(true);
  const { connection } = service.broker;
  const forged = await connection.request(foreign, "x", { timeout: 2_000 }).catch((error) => error);
  expect(isForbidden(forged)).toBe(true);
  expect(service.text()).not.toContain(new TextDecoder().decode(second.getSeed()));
});

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** As nsc writes them: claims about `subject`, signed by who stands above it. */
function jwt(signer: KeyPair, subject: KeyPair, nats: object): string {
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const [sub, iss] = [subject.getPublicKey(), signer.getPublicKey()];
  const claims = { name, sub, iss, iat: Math.floor(Date.now() / 1_000), nats };
  const signed = `${encode({ typ: "JWT", alg: "ed25519-nkey" })}.${encode(claims)}`;
  const signature = Buffer.from(signer.sign(Buffer.from(signed)));
  return `${signed}.${signature.toString("base64url")}`;
}

function credentialsOf(text: string, user: KeyPair): string {
  const seed = new TextDecoder().decode(user.getSeed());
  return `-----BEGIN NATS USER JWT-----
${text}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
}

function serve(port: number, users: readonly NatsUser[], tls?: Pick<NatsTls, "mutual">) {
  const start = async () => {
    const files = await certificates.identity("broker");
    return startNatsServer({
      dataDir: join(folder, `nats-${port}`),
      port,
      accounts: [{ name: "BURSAR", users }],
      ...(tls && { tls: { ...files, ...tls } }),
    });
  };
  return start();
}

/** A service's connection, and what it logged. */
function open(access: BrokerAccess) {
  const written: string[] = [];
  const log = createLog({ service: name, level: "info", write: (line) => void written.push(line) });
  const broker = openBroker({ ...access, name, events, log, metrics: createMetrics(name) });
  return {
    broker,
    text: () => written.join(""),
    lines: () => written.map((line) => JSON.parse(line).message as string),
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}
