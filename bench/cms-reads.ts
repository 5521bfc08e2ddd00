// The CMS's hot reads at 64 calls at once, each beside the same server with a handler that answers
// from nothing: CheckAccess and GetCatalogLesson, with few and with many enrollments.

import { join } from "node:path";
import { toJson } from "@bufbuild/protobuf";
import { freePort } from "#dev/child.ts";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { openShop } from "#dev/shop.ts";
import { GetCatalogLessonResponseSchema } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { openPool, type Pool } from "#mesh/database/pool.ts";
import type { CmsAnswer, CmsClientOptions, CmsQuestion } from "./cms-client.ts";
import type { CmsServerOptions } from "./cms-server.ts";
import { median, startWorker, type Worker } from "./mesh/worker.ts";

const concurrency = 64;
const rounds = 3;
const seconds = 2;

export type ReadsResult = {
  readonly enrollments: number;
  readonly checkAccess: Contest;
  readonly getLesson: Contest;
};

export type Contest = { readonly empty: CmsAnswer; readonly served: CmsAnswer };

export async function benchReads(
  house: House,
  clients: Clients,
  sizes: readonly number[],
): Promise<ReadsResult[]> {
  const prices = [{ amountMinor: 4_900n, currencyCode: "USD" }];
  const slug = `reads-${Date.now()}`;
  const { courseId, lessonId } = await openShop(clients, { slug, title: "Reads", prices });
  const sql = openPool({ url: house.databaseUrl, connectionsMax: 1, statementTimeoutMs: 0 });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => sql.end());
  await enroll(sql, courseId, 0, 1);
  const answer = await clients.catalog.getCatalogLesson({ lessonId, learnerId: "learner-0" });
  const lesson = toJson(GetCatalogLessonResponseSchema, answer);
  const port = await freePort();
  const env = house.environmentOf("cms-service");
  const options: CmsServerOptions = {
    port,
    tls: {
      caFile: env["TLS_CA_FILE"] ?? "",
      certFile: env["TLS_CERT_FILE"] ?? "",
      keyFile: env["TLS_KEY_FILE"] ?? "",
    },
    accessFile: env["ACCESS_FILE"] ?? "",
    lesson,
  };
  stack.use(await startWorker(join(import.meta.dirname, "cms-server.ts"), options));
  const client = async (url: string) => {
    const clientOptions: CmsClientOptions = { url, tls: house.provision.tls.dev };
    return stack.use(await startWorker(join(import.meta.dirname, "cms-client.ts"), clientOptions));
  };
  const sides = {
    empty: await client(`https://localhost:${port}`),
    served: await client(house.urls.cms),
  };
  const found: ReadsResult[] = [];
  let enrolled = 1;
  for (const enrollments of sizes) {
    await enroll(sql, courseId, enrolled, enrollments);
    await sql`analyze`;
    enrolled = enrollments;
    const question = { concurrency, seconds, courseId, lessonId, learners: enrollments };
    found.push({
      enrollments,
      checkAccess: await contest(sides, { ...question, call: "check-access" }),
      getLesson: await contest(sides, { ...question, call: "get-lesson" }),
    });
  }
  return found;
}

/** The two take turns; the first round warms up and does not count. */
async function contest(
  sides: Readonly<Record<keyof Contest, Worker>>,
  question: CmsQuestion,
): Promise<Contest> {
  const answers: Record<keyof Contest, CmsAnswer[]> = { empty: [], served: [] };
  for (let round = 0; round <= rounds; round += 1) {
    for (const side of ["empty", "served"] as const) {
      const answer = await sides[side].ask<CmsAnswer>(question);
      if (round > 0) answers[side].push(answer);
    }
  }
  return { empty: middle(answers.empty), served: middle(answers.served) };
}

function middle(answers: readonly CmsAnswer[]): CmsAnswer {
  return {
    perSecond: median(answers.map(({ perSecond }) => perSecond)),
    p50Ms: median(answers.map(({ p50Ms }) => p50Ms)),
    p99Ms: median(answers.map(({ p99Ms }) => p99Ms)),
    refused: answers.reduce((sum, { refused }) => sum + refused, 0),
  };
}

/** Learners `learner-<from>` up to below `to`, each with one grant that support gave. */
async function enroll(sql: Pool, courseId: string, from: number, to: number): Promise<void> {
  await sql`
    insert into cms.enrollment (learner_id, course_id, state)
    select 'learner-' || n, ${courseId}, 'active'
    from generate_series(${from}::int, ${to - 1}::int) n
  `;
  await sql`
    insert into cms.enrollment_grant
      (grant_id, source, source_id, course_id, learner_id, state, source_version, start_time)
    select 'grt_' || lpad(n::text, 26, '0'), 'manual', n::text, ${courseId}, 'learner-' || n,
           'active', 1, now()
    from generate_series(${from}::int, ${to - 1}::int) n
  `;
}
