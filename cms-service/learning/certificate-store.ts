// The SQL of certificates. One is in force for a learner and a course, which the database holds.

import type { Pool, Tx } from "#mesh/database/pool.ts";
import type { Page } from "../requests/page.ts";
import type { Statement } from "./statement.ts";

export type Certificate = Statement & {
  readonly learnerId: string;
  readonly token: string;
  readonly replacesSerial: string | null;
  readonly revokeTime: Date | null;
  readonly revokeReason: string | null;
};

function certificates(sql: Pool | Tx) {
  return sql`
    select serial, learner_id as "learnerId", course_id as "courseId", issuer,
           learner_name as "learnerName", course_title as "courseTitle", revision,
           to_char(complete_date, 'YYYY-MM-DD') as "completeDate", issue_time as "issueTime",
           token, replaces_serial as "replacesSerial", revoke_time as "revokeTime",
           revoke_reason as "revokeReason"
    from certificate
  `;
}

export async function readCertificate(
  sql: Pool | Tx,
  serial: string,
): Promise<Certificate | undefined> {
  const [row] = await sql<Certificate[]>`${certificates(sql)} where serial = ${serial}`;
  return row;
}

/** The newest, in force or revoked. */
export async function readLatest(
  tx: Tx,
  learnerId: string,
  courseId: string,
): Promise<Certificate | undefined> {
  const [row] = await tx<Certificate[]>`
    ${certificates(tx)}
    where learner_id = ${learnerId} and course_id = ${courseId}
    order by revoke_time is null desc, serial desc
    limit 1
  `;
  return row;
}

/** Newest first; one more than fit on the page. Empty ids are left open. */
export async function readCertificates(
  pool: Pool,
  { learnerId, courseId }: { readonly learnerId: string; readonly courseId: string },
  { size, after }: Page,
): Promise<Certificate[]> {
  return pool<Certificate[]>`
    ${certificates(pool)}
    where (${learnerId} = '' or learner_id = ${learnerId})
      and (${courseId} = '' or course_id = ${courseId})
      and (${after ?? null}::text is null or serial < ${after ?? null})
    order by serial desc
    limit ${size + 1}
  `;
}

export async function insertCertificate(tx: Tx, certificate: Certificate): Promise<void> {
  const { serial, learnerId, courseId, issuer, learnerName, courseTitle } = certificate;
  const { revision, completeDate, issueTime, token, replacesSerial } = certificate;
  await tx`
    insert into certificate
      (serial, learner_id, course_id, issuer, learner_name, course_title, revision, complete_date,
       issue_time, token, replaces_serial)
    values (${serial}, ${learnerId}, ${courseId}, ${issuer}, ${learnerName}, ${courseTitle},
            ${revision}, ${completeDate}, ${issueTime}, ${token}, ${replacesSerial})
  `;
}

/** False when it was revoked before. */
export async function revokeCertificate(
  tx: Tx,
  serial: string,
  reason: string,
  now: Date,
): Promise<boolean> {
  const updated = await tx`
    update certificate set revoke_time = ${now}, revoke_reason = ${reason}
    where serial = ${serial} and revoke_time is null
  `;
  return updated.count === 1;
}
