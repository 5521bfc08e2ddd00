import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { expect, test, vi } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { createLog } from "../process/log.ts";
import { createMetrics } from "../process/metrics.ts";
import { requestRefusalOf } from "../rpc/errors.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echoClient, startEchoServer } from "../testing/echo-server.ts";
import { writeAccess } from "../testing/rpc.ts";
import { openAccess } from "./access.ts";
import { openTokenVerifier } from "./token.ts";

const identity = "spiffe://bursar/x";
const grant = (scope: string) => `{identity: '${identity}', scopes: [${scope}]}`;

test("what the file says now counts, without a restart", async () => {
  await using world = await openWorld("access.yaml", `grants: [${grant("a.b.c")}]`);
  using access = openAccess(world.file, world);
  const before = access.get(identity);
  expect(before?.scopes.covers("a.b.c")).toBe(true);

  world.replace(`grants: [${grant("d.e.f")}]`);

  await vi.waitFor(() => expect(access.get(identity)?.scopes.covers("d.e.f")).toBe(true));
  expect(access.get(identity)?.scopes.covers("a.b.c")).toBe(false);
  // Whoever was let in by the old file is judged by the old file: nothing changes under a call.
  expect(before?.scopes.covers("a.b.c")).toBe(true);
  expect(await world.count("taken")).toBe(1);
});

test.each<[string, string, RegExp[]]>([
  ["is empty", "", [/not valid/]],
  ["is no YAML", "grants: [", [/not valid/]],
  ["has an unknown field", "grantz: []", [/grantz/]],
  [
    "has several problems",
    `grants: [${grant("a.b.c")}, ${grant("all")}, {identity: 'spiffe://else/y', scopes: [a.b.c]}]`,
    [/grants\[1\]\.scopes\[0\]/, /grants\[2\]\.identity/, /spiffe:\/\/bursar\/x is listed twice/],
  ],
])("a file that %s keeps the old one in force and is said once, whole", async (...row) => {
  const [, text, problems] = row;
  await using world = await openWorld("access.yaml", `grants: [${grant("a.b.c")}]`);
  using access = openAccess(world.file, world);

  world.replace(text);

  await vi.waitFor(async () => expect(await world.count("refused")).toBe(1));
  world.replace(text);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await world.count("refused")).toBe(1);
  expect(access.get(identity)?.scopes.covers("a.b.c")).toBe(true);
  const errors = world.lines.filter(({ level }) => level === "error");
  expect(errors).toHaveLength(1);
  for (const problem of problems) expect(errors[0]?.error?.message).toMatch(problem);
});

test("a file that vanishes keeps what it said", async () => {
  await using world = await openWorld("access.yaml", `grants: [${grant("a.b.c")}]`);
  using access = openAccess(world.file, world);
  renameSync(world.file, `${world.file}.away`);
  await vi.waitFor(async () => expect(await world.count("refused")).toBe(1));
  expect(access.get(identity)?.scopes.covers("a.b.c")).toBe(true);
});

test("a server refuses the next call of who lost a scope, on the same connection", async () => {
  await using server = await startEchoServer();
  const client = await echoClient(server);
  expect((await client.echo({ text: "x" })).text).toBe("x");

  writeAccess(server.certificates.dir, { "test-client": { scopes: ["testing.other.read"] } });

  await vi.waitFor(async () => {
    const error = await client.echo({ text: "x" }).catch((error: unknown) => error);
    expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.SCOPE_MISSING);
  });
});

test("a new key of tokens is known at once, a withdrawn one no more", async () => {
  const [first, second] = await Promise.all([makeKey("first"), makeKey("second")]);
  await using world = await openWorld("jwks.json", JSON.stringify({ keys: [first.jwk] }));
  using verify = openTokenVerifier({ ...world, jwksFile: world.file, audience: "x" });
  const isKnown = async (key: Key) => (await verify(await key.token())).ok;
  expect([await isKnown(first), await isKnown(second)]).toEqual([true, false]);

  world.replace(JSON.stringify({ keys: [first.jwk, second.jwk] }));
  await vi.waitFor(async () => expect(await isKnown(second)).toBe(true));
  expect(await isKnown(first)).toBe(true);

  world.replace(JSON.stringify({ keys: [second.jwk] }));
  await vi.waitFor(async () => expect(await isKnown(first)).toBe(false));

  for (const broken of ["{", '{"keys": []}', '{"keys": [{"kty": "EC", "crv": "P-256"}]}']) {
    const before = await world.count("refused");
    world.replace(broken);
    await vi.waitFor(async () => expect(await world.count("refused")).toBe(before + 1));
    expect(await isKnown(second)).toBe(true);
  }
});

type Key = Awaited<ReturnType<typeof makeKey>>;

async function makeKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair("EdDSA");
  const jwt = new SignJWT({ scope: "a.b.c" }).setProtectedHeader({ alg: "EdDSA", kid });
  jwt.setSubject("learner-1").setAudience("x").setExpirationTime("1m");
  return { jwk: { ...(await exportJWK(publicKey)), kid }, token: () => jwt.sign(privateKey) };
}

async function openWorld(name: string, text: string) {
  const certificates = await testCertificates();
  const file = join(certificates.dir, name);
  const replace = (next: string) => {
    writeFileSync(`${file}.next`, next);
    renameSync(`${file}.next`, file);
  };
  replace(text);
  const lines: { level: string; error?: { message: string } }[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  const metrics = createMetrics("s");
  return {
    file,
    replace,
    lines,
    log: createLog({ service: "s", level: "info", write }),
    metrics,
    async count(outcome: string) {
      const text = await metrics.render();
      const pattern = new RegExp(
        `^bursar_identity_reloads_total.*outcome="${outcome}".* (\\d+)$`,
        "m",
      );
      return Number(pattern.exec(text)?.[1] ?? 0);
    },
    [Symbol.asyncDispose]: () => certificates[Symbol.asyncDispose](),
  };
}
