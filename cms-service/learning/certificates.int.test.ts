import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  compactVerify,
  createLocalJWKSet,
  exportJWK,
  generateKeyPair,
  jwtVerify,
  SignJWT,
} from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { CertificateVerdict } from "#gen/bursar/cms/v1/certificate_service_pb.ts";
import { newId } from "../requests/identifiers.ts";
import { openTestCms, refusalOf, type TestCms } from "../testing/cms.ts";
import { completed, course, learner } from "../testing/learning.ts";
import { readSigningKeys } from "./signing-keys.ts";

let cms: TestCms;
const dir = mkdtempSync(join(tmpdir(), "bursar-learning-"));
const keysFile = join(dir, "keys.json");
const keyPairs = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>();
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  stack.defer(() => rmSync(dir, { recursive: true }));
  await writeKeys("one");
  cms = stack.use(await openTestCms({ certificates: { keysFile, issuer: "https://school.test" } }));
});
afterAll(() => stack.disposeAsync());

test("a certificate is issued once, and anybody can verify it by the public keys", async () => {
  const made = await course(cms);
  const { courseId } = made;
  const early = await learner(cms, courseId);
  const open = cms.certificates.issueCertificate({ learnerId: early, courseId, learnerName: "A" });
  expect(await refusalOf(open)).toMatchObject({ refusal: "COURSE_NOT_COMPLETED" });

  const learnerId = await completed(cms, made);
  const issue = { learnerId, courseId, learnerName: "Ada Lovelace" };
  const issued = await Promise.all(
    Array.from({ length: 4 }, () => cms.certificates.issueCertificate(issue)),
  );
  expect(new Set(issued.map(({ certificate }) => certificate?.serial)).size).toBe(1);
  const certificate = issued[0]!.certificate!;
  const { token, serial } = certificate;

  const { jwksJson } = await cms.certificates.getCertificateKeys({});
  expect(jwksJson).not.toContain('"d"');
  const { payload } = await jwtVerify(token, createLocalJWKSet(JSON.parse(jwksJson)), {
    issuer: "https://school.test",
    typ: "bursar-certificate+jwt",
    algorithms: ["EdDSA"],
  });
  expect(payload).toMatchObject({ jti: serial, name: "Ada Lovelace", course_id: courseId });
  expect(JSON.stringify(payload)).not.toContain(learnerId);
  expect(await verdictOf({ case: "token", value: token })).toBe(CertificateVerdict.VALID);
  expect(await verdictOf({ case: "serial", value: serial })).toBe(CertificateVerdict.VALID);

  await writeKeys("two", "one");
  expect(await verdictOf({ case: "token", value: token })).toBe(CertificateVerdict.VALID);
  const stale = cms.certificates.revokeCertificate({ serial, reason: "typo", etag: '"9"' });
  expect(await refusalOf(stale)).toMatchObject({ code: Code.Aborted, currentEtag: '"1"' });
  const { etag } = certificate;
  await cms.certificates.revokeCertificate({ serial, reason: "typo", etag });
  const revoked = await cms.certificates.verifyCertificate({
    presented: { case: "token", value: token },
  });
  expect(revoked.verdict).toBe(CertificateVerdict.REVOKED);
  expect(timestampDate(revoked.revokeTime!).getTime()).toBeGreaterThan(0);
  const again = cms.certificates.issueCertificate(issue);
  expect(await refusalOf(again)).toMatchObject({ refusal: "CERTIFICATE_REVOKED" });
  const renewed = await cms.certificates.issueCertificate({ ...issue, replacesSerial: serial });
  const { keys } = JSON.parse((await cms.certificates.getCertificateKeys({})).jwksJson);
  expect(keys.map(({ kid }: { kid: string }) => kid)).toEqual(["two", "one"]);
  const key = keyPairs.get("two")!.publicKey;
  expect((await compactVerify(renewed.certificate!.token, key)).protectedHeader.kid).toBe("two");
}, 30_000);

test("what was not signed by one of the keys has a verdict of its own", async () => {
  const made = await course(cms);
  const learnerId = await completed(cms, made);
  const { certificate } = await cms.certificates.issueCertificate({
    learnerId,
    courseId: made.courseId,
    learnerName: "Ada",
  });
  const [header = "", claims = "", signature = ""] = certificate!.token.split(".");
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const { kid, ...rest } = JSON.parse(Buffer.from(header, "base64url").toString());
  const foreign = await generateKeyPair("EdDSA");
  const forged = (keyId: string) =>
    new SignJWT({ name: "Eve" })
      .setProtectedHeader({ ...rest, kid: keyId })
      .setJti(certificate!.serial)
      .sign(foreign.privateKey);
  const better = { ...JSON.parse(Buffer.from(claims, "base64url").toString()), name: "Eve" };
  const none = encoded({ ...rest, kid, alg: "none" });
  const { BAD_SIGNATURE, MALFORMED, UNKNOWN, UNKNOWN_KEY, WRONG_ALGORITHM } = CertificateVerdict;
  const rows: [string, CertificateVerdict][] = [
    [`${header}.${encoded(better)}.${signature}`, BAD_SIGNATURE],
    [await forged(kid), BAD_SIGNATURE],
    [await forged("theirs"), UNKNOWN_KEY],
    [`${none}.${claims}.`, WRONG_ALGORITHM],
    [`${encoded({ alg: "HS256", typ: rest.typ, kid })}.${claims}.${signature}`, WRONG_ALGORITHM],
    [`${encoded({ alg: "EdDSA", kid })}.${claims}.${signature}`, MALFORMED],
    ["", MALFORMED],
    ["a.b", MALFORMED],
    ["a.b.c", MALFORMED],
    ["....", MALFORMED],
  ];
  for (const [value, verdict] of rows) {
    expect(await verdictOf({ case: "token", value }), value).toBe(verdict);
  }
  expect(await verdictOf({ case: "serial", value: newId("crt") })).toBe(UNKNOWN);
});

test("a file of keys that is not valid is never taken, and said at the first use", async () => {
  const [good, bad] = [join(dir, "good.json"), join(dir, "bad.json")];
  writeFileSync(
    bad,
    '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"short","d":"secret"}]}',
  );
  await expect(readSigningKeys(bad)).rejects.toThrow(/CERTIFICATE_KEYS_FILE.*short/);
  for (const text of ["", "[]", '{"keys":[]}', '{"keys":[{"kty":"RSA","kid":"r"}]}']) {
    writeFileSync(good, text);
    await expect(readSigningKeys(good), text).rejects.toThrow(/CERTIFICATE_KEYS_FILE/);
  }
  const before = await cms.certificates.getCertificateKeys({});
  writeFileSync(keysFile, "{");
  expect(await cms.certificates.getCertificateKeys({})).toEqual(before);
  await writeKeys("two", "one");
});

test("no certificate is issued while the money is gone, one that was issued stays", async () => {
  const made = await course(cms);
  const { courseId } = made;
  const [before, after] = [await completed(cms, made), await completed(cms, made)];
  const issue = (learnerId: string) =>
    cms.certificates.issueCertificate({ learnerId, courseId, learnerName: "Ada" });
  const { certificate } = await issue(before);
  await cms.asOwner(
    `update enrollment_grant set state = 'revoked' where course_id = '${courseId}'`,
  );
  expect(await refusalOf(issue(after))).toMatchObject({ refusal: "ACCESS_WITHDRAWN" });
  expect(await verdictOf({ case: "serial", value: certificate!.serial })).toBe(
    CertificateVerdict.VALID,
  );
});

async function writeKeys(...keyIds: string[]): Promise<void> {
  const keys = await Promise.all(
    keyIds.map(async (kid) => {
      const pair = keyPairs.get(kid) ?? (await generateKeyPair("EdDSA", { extractable: true }));
      keyPairs.set(kid, pair);
      return { ...(await exportJWK(pair.privateKey)), kid };
    }),
  );
  writeFileSync(keysFile, JSON.stringify({ keys }));
}

type Presented =
  | { readonly case: "token"; readonly value: string }
  | { readonly case: "serial"; readonly value: string };

async function verdictOf(presented: Presented): Promise<CertificateVerdict> {
  return (await cms.certificates.verifyCertificate({ presented })).verdict;
}
