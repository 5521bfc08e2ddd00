// Searching a hundred thousand published lessons, indexed by the same publications as everybody's.

import { randomUUID } from "node:crypto";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { must } from "#dev/shop.ts";
import { openPool } from "#mesh/database/pool.ts";
import { fillDraft } from "./cms-drafts.ts";
import { percentile } from "./percentile.ts";

const courses = 200;
const modules = 10;
const lessonsPerModule = 50;
const searches = 300;
const callers = 8;

export type SearchResult = {
  readonly lessons: number;
  readonly rare: Latency;
  readonly common: Latency;
};

export type Latency = { readonly p50Ms: number; readonly p99Ms: number; readonly hits: number };

export async function benchSearch(house: House, clients: Clients): Promise<SearchResult> {
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  try {
    for (let n = 0; n < courses; n += 1) await publishOne(sql, clients, n);
    await sql`analyze`;
  } finally {
    await sql.end();
  }
  return {
    lessons: courses * modules * lessonsPerModule,
    // One lesson in 997 says it, and one in three.
    rare: await measure(clients, (n) => `topic${n % 997}`),
    common: await measure(clients, (n) => `shade${n % 3}`),
  };
}

async function publishOne(sql: ReturnType<typeof openPool>, clients: Clients, n: number) {
  const slug = `search-${randomUUID()}`;
  const request = { requestId: randomUUID(), slug, title: `Searchable ${n}` };
  const { courseId } = must((await clients.courses.createCourse(request)).course);
  const first = n * modules * lessonsPerModule;
  await fillDraft(sql, courseId, {
    modules,
    lessonsPerModule,
    textOf: (lesson) => textOf(first + lesson),
  });
  const { course } = await clients.courses.getCourse({ courseId });
  await clients.courses.publishCourse({ courseId, etag: must(course).etag });
}

function textOf(n: number): string {
  const words = Array.from({ length: 60 }, (_, place) => `word${(n * 31 + place * 17) % 5_003}`);
  return [`topic${n % 997}`, `shade${n % 3}`, ...words].join(" ");
}

async function measure(clients: Clients, queryOf: (n: number) => string): Promise<Latency> {
  const tookMs: number[] = [];
  let hits = 0;
  let next = 0;
  const caller = async () => {
    while (next < searches) {
      const query = queryOf(next++);
      const startMs = performance.now();
      const { hits: found } = await clients.catalog.searchCatalog({ query, pageSize: 20 });
      tookMs.push(performance.now() - startMs);
      hits += found.length;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  tookMs.sort((a, b) => a - b);
  const [p50Ms, p99Ms] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
  return { p50Ms, p99Ms, hits: hits / searches };
}
