// CertificateService: completions as signed statements, and what they are worth.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import {
  type CertificateSchema,
  type CertificateService,
  type CertificateStatementSchema,
  CertificateVerdict,
  type IssueCertificateRequest,
  type RevokeCertificateRequest,
  type VerifyCertificateRequest,
} from "#gen/bursar/cms/v1/certificate_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { callerOf } from "#mesh/rpc/caller.ts";
import { accessChecker } from "../access/check.ts";
import { newId } from "../requests/identifiers.ts";
import { namedLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import * as store from "./certificate-store.ts";
import { type CourseResult, readStanding } from "./complete.ts";
import { liveShape, settled } from "./progress-service.ts";
import { lockLearning } from "./progress-store.ts";
import { courseShapes } from "./shape.ts";
import { readSigningKeys } from "./signing-keys.ts";
import { type Forgery, type SigningKeys, signStatement, verifyStatement } from "./statement.ts";

export type CertificateOptions = {
  /** A JSON Web Key Set with private keys; undefined: nothing can be signed. */
  readonly keysFile: string | undefined;
  /** Who says what certificates say. */
  readonly issuer: string;
};

export function certificateService(
  pool: Pool,
  { keysFile, issuer }: CertificateOptions = { keysFile: undefined, issuer: "bursar" },
): ServiceImpl<typeof CertificateService> {
  const world = { pool, access: accessChecker(pool), shapes: courseShapes(pool) };
  let known: SigningKeys | undefined;
  /** A key that is put into the file signs at once; what is not valid is never taken. */
  async function readKeys(): Promise<SigningKeys> {
    try {
      known = await readSigningKeys(keysFile);
    } catch (error) {
      if (!known) throw refused("CERTIFICATE_KEYS_MISSING", (error as Error).message);
    }
    return known;
  }
  return {
    async issueCertificate(request) {
      const { learnerId, courseId } = request;
      const shape = await liveShape(world.shapes, courseId);
      const { reason } = await world.access.check({ learnerId, courseId });
      const read = await readStanding(pool, shape, learnerId);
      const result = await settled(world, read, learnerId);
      const completeTime = requireCompleted(result, courseId);
      if (reason === "revoked" || reason === "suspended") throw withdrawn(courseId, reason);
      const keys = await readKeys();
      const { completedRevision } = result.facts;
      const completion = { completeTime, revision: completedRevision ?? shape.revision };
      const named = { ...completion, title: shape.title, issuer, keys };
      const issued = await inTransaction(pool, (tx) => issue(tx, request, named));
      return { certificate: certificateToWire(issued) };
    },

    async getCertificate({ serial }, context) {
      const certificate = await store.readCertificate(pool, serial);
      const { learnerId } = callerOf(context);
      const isTheirs = learnerId === undefined || certificate?.learnerId === learnerId;
      if (!certificate || !isTheirs) throw notFound("CERTIFICATE_NOT_FOUND", serial);
      return { certificate: certificateToWire(certificate) };
    },

    async listCertificates(request, context) {
      const learnerId = namedLearner(context, request.learnerId) ?? "";
      const { courseId } = request;
      const question = ["ListCertificates", learnerId, courseId];
      const page = readPage(request, question);
      const found = await store.readCertificates(pool, { learnerId, courseId }, page);
      const { rows, nextPageToken } = cutPage(found, page, question, ({ serial }) => serial);
      return { certificates: rows.map(certificateToWire), nextPageToken };
    },

    async revokeCertificate(request) {
      const certificate = await inTransaction(pool, (tx) => revoke(tx, request));
      return { certificate: certificateToWire(certificate) };
    },

    async verifyCertificate({ presented }) {
      return verify(pool, presented, await readKeys());
    },

    async getCertificateKeys() {
      return { jwksJson: JSON.stringify((await readKeys()).jwks) };
    },
  };
}

function requireCompleted({ shape, standing, facts }: CourseResult, courseId: string): Date {
  const { completeTime } = facts;
  if (!completeTime) {
    const { lessonsCompleted, lessonsRequired, openQuizzes } = standing;
    const missing =
      `${lessonsCompleted} of ${lessonsRequired} lessons are completed, ` +
      `${openQuizzes.length} quizzes are open`;
    throw refused("COURSE_NOT_COMPLETED", `course ${courseId} is not completed: ${missing}`, {
      resource: courseId,
    });
  }
  if (!shape.certificate) {
    throw refused("CERTIFICATE_NOT_OFFERED", `course ${courseId} offers no certificate`, {
      resource: courseId,
    });
  }
  return completeTime;
}

function withdrawn(courseId: string, reason: string) {
  return refused("ACCESS_WITHDRAWN", `access to course ${courseId} is ${reason}`, {
    resource: courseId,
  });
}

type Completion = {
  readonly completeTime: Date;
  readonly revision: number;
  readonly title: string;
  readonly issuer: string;
  readonly keys: SigningKeys;
};

async function issue(
  tx: Tx,
  { learnerId, courseId, learnerName, replacesSerial }: IssueCertificateRequest,
  { completeTime, revision, title, issuer, keys }: Completion,
): Promise<store.Certificate> {
  await lockLearning(tx, learnerId, courseId);
  const latest = await store.readLatest(tx, learnerId, courseId);
  if (latest && latest.revokeTime === null) return latest;
  if ((latest?.serial ?? "") !== replacesSerial) throw notReplaced(latest?.serial, replacesSerial);
  if (!keys.signing) {
    throw refused(
      "CERTIFICATE_KEYS_MISSING",
      "there is no key to sign certificates with: set CERTIFICATE_KEYS_FILE and start again",
    );
  }
  const statement = {
    serial: newId("crt"),
    ...{ issuer, learnerName, courseId, revision },
    courseTitle: title,
    completeDate: completeTime.toISOString().slice(0, 10),
    // What is signed has no parts of a second.
    issueTime: new Date(Math.floor(Date.now() / 1000) * 1000),
  };
  const token = await signStatement(statement, keys.signing);
  const kept = { ...statement, learnerId, token, replacesSerial: replacesSerial || null };
  const certificate = { ...kept, revokeTime: null, revokeReason: null };
  await store.insertCertificate(tx, certificate);
  return certificate;
}

function notReplaced(revoked: string | undefined, named: string) {
  if (revoked === undefined) return notFound("CERTIFICATE_NOT_FOUND", named);
  const what = `certificate ${revoked} was revoked: name it in replaces_serial to issue another`;
  return refused("CERTIFICATE_REVOKED", what, { resource: revoked });
}

async function revoke(
  tx: Tx,
  { serial, reason, etag }: RevokeCertificateRequest,
): Promise<store.Certificate> {
  const now = new Date();
  const certificate = await store.readCertificate(tx, serial);
  if (!certificate) throw notFound("CERTIFICATE_NOT_FOUND", serial);
  const { revokeTime } = certificate;
  if (revokeTime) throw revokedBefore(serial, revokeTime);
  const currentEtag = etagOf(certificate);
  if (etag !== currentEtag) {
    const what = `the etag of certificate ${serial} is ${currentEtag}, not ${etag}`;
    throw refused("ETAG_MISMATCH", what, { resource: serial, currentEtag });
  }
  if (!(await store.revokeCertificate(tx, serial, reason, now))) throw revokedBefore(serial, now);
  return { ...certificate, revokeTime: now, revokeReason: reason };
}

function revokedBefore(serial: string, time: Date) {
  const what = `certificate ${serial} is revoked since ${time.toISOString()}`;
  return refused("CERTIFICATE_REVOKED", what, { resource: serial });
}

const forgeries = {
  malformed: CertificateVerdict.MALFORMED,
  "wrong-algorithm": CertificateVerdict.WRONG_ALGORITHM,
  "unknown-key": CertificateVerdict.UNKNOWN_KEY,
  "bad-signature": CertificateVerdict.BAD_SIGNATURE,
} as const satisfies Record<Forgery, CertificateVerdict>;

async function verify(
  pool: Pool,
  presented: VerifyCertificateRequest["presented"],
  keys: SigningKeys,
) {
  let serial = presented.value ?? "";
  if (presented.case === "token") {
    const verdict = await verifyStatement(presented.value, keys);
    if (verdict.kind !== "signed") {
      return { verdict: forgeries[verdict.kind], problem: verdict.problem };
    }
    ({ serial } = verdict);
  }
  const certificate = await store.readCertificate(pool, serial);
  if (!certificate) {
    const problem = "there is no certificate of this serial";
    return { verdict: CertificateVerdict.UNKNOWN, problem };
  }
  const statement = statementToWire(certificate);
  const { revokeTime } = certificate;
  if (revokeTime === null) return { verdict: CertificateVerdict.VALID, statement };
  return {
    verdict: CertificateVerdict.REVOKED,
    statement,
    revokeTime: timestampFromDate(revokeTime),
    problem: `it is revoked since ${revokeTime.toISOString()}`,
  };
}

function etagOf({ revokeTime }: store.Certificate): string {
  return revokeTime === null ? '"1"' : '"2"';
}

function certificateToWire(
  certificate: store.Certificate,
): MessageInitShape<typeof CertificateSchema> {
  const { serial, learnerId, token, replacesSerial, revokeTime, revokeReason } = certificate;
  return {
    serial,
    learnerId,
    token,
    statement: statementToWire(certificate),
    replacesSerial: replacesSerial ?? "",
    ...(revokeTime ? { revokeTime: timestampFromDate(revokeTime) } : {}),
    revokeReason: revokeReason ?? "",
    etag: etagOf(certificate),
  };
}

function statementToWire(
  certificate: store.Certificate,
): MessageInitShape<typeof CertificateStatementSchema> {
  const { serial, issuer, learnerName, courseId, courseTitle, revision } = certificate;
  const { completeDate, issueTime } = certificate;
  return {
    ...{ serial, issuer, learnerName, courseId, courseTitle, revision, completeDate },
    issueTime: timestampFromDate(issueTime),
  };
}
