import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:http2";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import { requestRefusalOf } from "../rpc/errors.ts";
import { testCertificates } from "../testing/certificates.ts";
import { echoClient, startEchoServer } from "../testing/echo-server.ts";
import { exchange } from "../testing/exchange.ts";
import type { TestServer } from "../testing/rpc.ts";
import { readTls } from "./tls.ts";
import { openTokenVerifier } from "./token.ts";

const keys = {
  EdDSA: await generateKeyPair("EdDSA"),
  ES256: await generateKeyPair("ES256"),
  RS256: await generateKeyPair("RS256"),
};
const stranger = await generateKeyPair("EdDSA");
const strangerJwk = await exportJWK(stranger.publicKey);
const spki = Buffer.from(await exportSPKI(keys.EdDSA.publicKey));
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
  ["for other services", () => token({ audience: ["other-service", "third-service"] })],
  ["expired", () => token({ expiresAt: -60 })],
  ["expired for longer than clocks differ", () => token({ expiresAt: -10 })],
  ["not valid yet", () => token({ validFrom: 60 })],
  ["without an end", () => token({ expiresAt: undefined })],
  ["without a learner", () => token({ subject: "" })],
  ["of a learner that no column holds", () => token({ subject: "a\0" })],
  ["of a learner whose id no request can hold", () => token({ subject: "x".repeat(129) })],
  ["of an unknown key", () => token({ key: stranger.privateKey })],
  ["that does not name its key", () => token({ header: { kid: undefined } })],
  ["signed by RSA", () => token({ alg: "RS256" })],
  ["signed by a shared secret", () => token({ key: Buffer.alloc(32, 1), alg: "HS256" })],
  ["signed by our public key as a shared secret", () => token({ key: spki, alg: "HS256" })],
  ["that asks for no signature", async () => unsecured()],
  [
    "that brings its own key",
    () => token({ key: stranger.privateKey, header: { jwk: strangerJwk } }),
  ],
  ["with an extension it calls critical", () => token({ header: { crit: ["x"], x: 1 } })],
  ["whose scopes are a list", () => token({ claims: { scope: ["testing.echo.read"] } })],
  ["whose learner is a number", () => token({ claims: { sub: 7 } })],
  ["longer than any token", () => token({ claims: { more: "x".repeat(8_192) } })],
  ["without a signature", async () => `${(await token({})).split(".").slice(0, 2).join(".")}.`],
  ["that is no token", async () => "abc"],
])("a token %s is refused", async (_name, make) => {
  const error = await call(await make());
  expect(error.code).toBe(Code.Unauthenticated);
  expect(requestRefusalOf(error)?.refusal).toBe(RequestRefusal.TOKEN_INVALID);
});

test("a token that ended a moment ago still counts: clocks differ", async () => {
  expect((await call(await token({ expiresAt: -2 }))).learnerId).toBe("learner-1");
  expect((await call(await token({ validFrom: 2 }))).learnerId).toBe("learner-1");
});

test("the token of a call stands in one header, once", async () => {
  const path = "/bursar.testing.v1.EchoService/Echo";
  const good = `Bearer ${await token({})}`;
  const bearers = [[good], [good, good], [good, "Bearer x"], [`${good}, ${good}`], ["Basic eDp4"]];
  const statuses = [];
  for (const authorization of bearers) {
    const request = httpsRequest(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      ...readTls(await server.certificates.identity("test-client")),
    });
    request.setHeader("authorization", authorization);
    request.end('{"text": "x"}');
    const [response] = await once(request, "response");
    response.resume();
    statuses.push(response.statusCode);
  }
  expect(statuses).toEqual([200, 401, 401, 401, 401]);
});

test.each(["Bearer x ", " Bearer x", "Bearer x\t", "Bearer"])(
  "over HTTP/2 too, %j is a token that is refused and not one that is not there",
  async (authorization) => {
    const tls = readTls(await server.certificates.identity("test-client"));
    const session = connect(server.url, { ...tls, strictFieldWhitespaceValidation: false });
    const headers = { "content-type": "application/json", authorization };
    const { outcome } = await exchange(session, { headers, body: '{"text": "x"}' });
    session.close();
    expect(outcome).toBe("unauthenticated TOKEN_INVALID");
  },
);

test("a client sends no header that would vanish on its way", async () => {
  const client = await echoClient(server);
  for (const authorization of ["Bearer x\u0001", "Bearer x\u007f"]) {
    const refused = client["echo"]?.({ text: "x" }, { headers: { authorization } });
    await expect(refused).rejects.toThrow(/header authorization holds a character/);
  }
});

test("a key set that holds a secret key stops the service", async () => {
  const file = join(certificates.dir, "secret-jwks.json");
  const { privateKey } = await generateKeyPair("EdDSA", { extractable: true });
  writeFileSync(file, JSON.stringify({ keys: [{ ...(await exportJWK(privateKey)), kid: "k" }] }));
  const start = () => openTokenVerifier({ jwksFile: file, audience: "x" });
  expect(start).toThrow(/holds a secret key \(k\)/);
});

test("keys that no token could tell apart stop the service", async () => {
  const file = join(certificates.dir, "alike-jwks.json");
  const jwk = await exportJWK(keys.EdDSA.publicKey);
  const start = (names: (string | undefined)[]) => {
    writeFileSync(file, JSON.stringify({ keys: names.map((kid) => ({ ...jwk, kid })) }));
    return () => openTokenVerifier({ jwksFile: file, audience: "x" });
  };
  expect(start(["main", "main"])).toThrow(/holds two keys with the kid main/);
  expect(start([undefined])).toThrow(/holds a key without kid/);
});

type TokenOptions = {
  alg?: string;
  scope?: string;
  audience?: string | string[];
  subject?: string;
  expiresAt?: number | undefined;
  validFrom?: number;
  key?: CryptoKey | Uint8Array;
  header?: object;
  claims?: object;
};

function token(options: TokenOptions): Promise<string> {
  const { alg = "EdDSA", scope = "testing.echo.read", audience = "test-service" } = options;
  const { subject = "learner-1", key = keys[alg as keyof typeof keys].privateKey } = options;
  const expiresAt = "expiresAt" in options ? options.expiresAt : 60;
  const now = Math.floor(Date.now() / 1_000);
  const claims = { scope, sub: subject, aud: audience, ...options.claims } as JWTPayload;
  const jwt = new SignJWT(claims).setProtectedHeader({ alg, kid: alg, ...options.header });
  jwt.setIssuedAt(now);
  if (expiresAt !== undefined) jwt.setExpirationTime(now + expiresAt);
  if (options.validFrom !== undefined) jwt.setNotBefore(now + options.validFrom);
  return jwt.sign(key, { crit: { x: true } });
}

function unsecured(): string {
  const jwt = new UnsecuredJWT({ scope: "testing.echo.read" }).setAudience("test-service");
  return jwt.setSubject("learner-1").setExpirationTime("1m").encode();
}

async function call(bearer: string, name?: string) {
  const headers = { authorization: `Bearer ${bearer}` };
  const client = await echoClient(server, name);
  return client.echo({ text: "x" }, { headers }).catch(asError);
}

function asError(error: unknown): ConnectError {
  return ConnectError.from(error);
}
