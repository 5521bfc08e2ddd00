import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "../rpc/errors.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echoClient, startEchoServer } from "../testing/echo-server.ts";
import type { TestServer } from "../testing/rpc.ts";
import { createTokenVerifier } from "./token.ts";

const keys = {
  EdDSA: await generateKeyPair("EdDSA"),
  ES256: await generateKeyPair("ES256"),
  RS256: await generateKeyPair("RS256"),
};
const stranger = await generateKeyPair("EdDSA");
const certificates = await testCertificates();
const jwksFile = join(certificates.dir, "jwks.json");
let server: TestServer;

beforeAll(async () => {
  const jwks = [];
  for (const [alg, { publicKey }] of Object.entries(keys)) {
    jwks.push({ ...(await exportJWK(publicKey)), kid: alg, alg });
  }
  writeFileSync(jwksFile, JSON.stringify({ keys: jwks }));
  server = await startEchoServer({}, { config: { jwksFile }, grants: { bare: noScope } });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await certificates[Symbol.asyncDispose]();
});

const noScope = { scopes: ["testing.other.read"] };

test.each(["EdDSA", "ES256"] as const)("a learner's token (%s) names the learner", async (alg) => {
  const response = await call(await token({ alg }));
  expect(response.learnerId).toBe("learner-1");
  expect(response.identity).toBe("spiffe://bursar/test-client");
});

test("a token narrows what the service may do", async () => {
  const error = await call(await token({ scope: "testing.echo.write other.thing.read" }));
  expect(error.code).toBe(Code.PermissionDenied);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.SCOPE_MISSING);
});

test("a token never widens what the service may do", async () => {
  const error = await call(await token({ scope: "*.*.*" }), "bare");
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.SCOPE_MISSING);
});

test("a token on a method that admits none is refused", async () => {
  const headers = { authorization: `Bearer ${await token({})}` };
  for (const method of ["write", "collect"]) {
    const input = method === "collect" ? (async function* () {})() : {};
    const client = await echoClient(server);
    const error = await client[method](input, { headers }).catch(asError);
    expect(error.code).toBe(Code.Unauthenticated);
    expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
  }
});

test.each<[string, () => Promise<string>]>([
  ["for another service", () => token({ audience: "other-service" })],
  ["expired", () => token({ expiresAt: -60 })],
  ["without an end", () => token({ expiresAt: undefined })],
  ["without a learner", () => token({ subject: "" })],
  ["of a learner that no column holds", () => token({ subject: "a\0" })],
  ["of a learner whose id no request can hold", () => token({ subject: "x".repeat(129) })],
  ["of an unknown key", () => token({ key: stranger.privateKey })],
  ["signed by RSA", () => token({ alg: "RS256" })],
  ["signed by a shared secret", () => token({ key: Buffer.alloc(32, 1), alg: "HS256" })],
  ["without a signature", async () => `${(await token({})).split(".").slice(0, 2).join(".")}.`],
  ["that is no token", async () => "abc"],
])("a token %s is refused", async (_name, make) => {
  const error = await call(await make());
  expect(error.code).toBe(Code.Unauthenticated);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
});

test("a key set that holds a secret key stops the service", async () => {
  const file = join(certificates.dir, "secret-jwks.json");
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  writeFileSync(file, JSON.stringify({ keys: [{ ...(await exportJWK(privateKey)), kid: "k" }] }));
  const start = () => createTokenVerifier({ jwksFile: file, audience: "x" });
  expect(start).toThrow(/holds a secret key \(k\)/);
});

type TokenOptions = {
  alg?: string;
  scope?: string;
  audience?: string;
  subject?: string;
  expiresAt?: number | undefined;
  key?: CryptoKey | Uint8Array;
};

function token(options: TokenOptions): Promise<string> {
  const { alg = "EdDSA", scope = "testing.echo.read", audience = "test-service" } = options;
  const { subject = "learner-1", key = keys[alg as keyof typeof keys].privateKey } = options;
  const expiresAt = "expiresAt" in options ? options.expiresAt : 60;
  const now = Math.floor(Date.now() / 1_000);
  const jwt = new SignJWT({ scope }).setProtectedHeader({ alg, kid: alg }).setAudience(audience);
  jwt.setSubject(subject).setIssuedAt(now);
  if (expiresAt !== undefined) jwt.setExpirationTime(now + expiresAt);
  return jwt.sign(key);
}

async function call(bearer: string, name?: string) {
  const headers = { authorization: `Bearer ${bearer}` };
  const client = await echoClient(server, name);
  return client.echo({ text: "x" }, { headers }).catch(asError);
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
