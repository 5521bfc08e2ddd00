// The SQL of preview keys. A course has one key at a time.

import type { Pool, Tx } from "#mesh/database/pool.ts";

/** The course's key; what is given where it has none yet. */
export async function keepKey(tx: Tx, courseId: string, key: Buffer): Promise<Buffer> {
  await tx`
    insert into preview_key (course_id, key) values (${courseId}, ${key})
    on conflict (course_id) do nothing
  `;
  return (await readKey(tx, courseId)) ?? key;
}

export async function replaceKey(tx: Tx, courseId: string, key: Buffer): Promise<void> {
  await tx`
    insert into preview_key (course_id, key) values (${courseId}, ${key})
    on conflict (course_id) do update set key = excluded.key, create_time = excluded.create_time
  `;
}

/** Of a course that is not deleted. */
export async function readKey(sql: Pool | Tx, courseId: string): Promise<Buffer | undefined> {
  const [row] = await sql<{ key: Buffer }[]>`
    select k.key from preview_key k join course c using (course_id)
    where course_id = ${courseId} and c.delete_time is null
  `;
  return row?.key;
}
