// What it costs to publish a course of five hundred lessons, and what its readers see meanwhile:
// every answer is of one revision, whole.

import { randomUUID } from "node:crypto";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { must } from "#dev/shop.ts";
import { openPool } from "#mesh/database/pool.ts";
import { fillDraft } from "./cms-drafts.ts";
import { percentile } from "./percentile.ts";

const publications = 10;
const modules = 25;
const lessonsPerModule = 20;

export type PublishResult = {
  readonly lessons: number;
  readonly p50Ms: number;
  readonly maxMs: number;
  /** Catalog reads that were answered while courses were published. */
  readonly reads: number;
  /** Of these, answers with parts of two revisions. Nothing else is acceptable than none. */
  readonly torn: number;
};

export async function benchPublish(house: House, clients: Clients): Promise<PublishResult> {
  const { course } = await clients.courses.createCourse({
    requestId: randomUUID(),
    slug: `large-${randomUUID()}`,
    title: "Large 0",
  });
  const { courseId } = must(course);
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    await fillDraft(sql, courseId, {
      modules,
      lessonsPerModule,
      textOf: (n) => `# Lesson ${n}\n\n${"All that is said about it. ".repeat(40)}`,
    });
    await publish(clients, courseId);
    const tookMs: number[] = [];
    const readers = keepReading(clients, courseId);
    for (let generation = 1; generation <= publications; generation += 1) {
      // Every part says which generation it is of.
      await sql`update cms.course set title = ${`Large ${generation}`}, version = version + 1
        where course_id = ${courseId}`;
      await sql`update cms.lesson set title = ${`Large ${generation}`}
        where course_id = ${courseId}`;
      tookMs.push(await publish(clients, courseId));
    }
    const { reads, torn } = await readers.stop();
    tookMs.sort((a, b) => a - b);
    const maxMs = tookMs.at(-1) ?? Number.NaN;
    const lessons = modules * lessonsPerModule;
    return { lessons, p50Ms: percentile(tookMs, 0.5), maxMs, reads, torn };
  } finally {
    await sql.end();
  }
}

async function publish(clients: Clients, courseId: string): Promise<number> {
  const { course } = await clients.courses.getCourse({ courseId });
  const startMs = performance.now();
  await clients.courses.publishCourse({ courseId, etag: must(course).etag });
  return performance.now() - startMs;
}

function keepReading(clients: Clients, courseId: string) {
  let isStopped = false;
  let reads = 0;
  let torn = 0;
  const reader = async () => {
    while (!isStopped) {
      const { course } = await clients.catalog.getCatalogCourse({
        name: { case: "courseId", value: courseId },
      });
      const { title, modules } = must(course);
      const titles = new Set(modules.flatMap(({ lessons }) => lessons.map((each) => each.title)));
      const isWhole = title === "Large 0" || (titles.size === 1 && titles.has(title));
      reads += 1;
      if (!isWhole) torn += 1;
    }
  };
  const readers = Promise.all([reader(), reader()]);
  return {
    async stop() {
      isStopped = true;
      await readers;
      return { reads, torn };
    },
  };
}
