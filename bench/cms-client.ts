// The caller's side of the CMS's hot reads, as a process: so many calls open for so long, each about
// another learner.

import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { CatalogService } from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { readTls } from "#mesh/identity/tls.ts";
import type { TlsFiles } from "#mesh/process/config.ts";
import { answerQuestions, workerOptions } from "./mesh/worker.ts";
import { percentile } from "./percentile.ts";

export type CmsClientOptions = { readonly url: string; readonly tls: TlsFiles };

export type CmsQuestion = {
  readonly call: "check-access" | "get-lesson";
  readonly concurrency: number;
  readonly seconds: number;
  readonly courseId: string;
  readonly lessonId: string;
  /** Learners are `learner-0` up to below this. */
  readonly learners: number;
};

export type CmsAnswer = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Shed by a server that found itself too slow: a machine too busy to measure on. */
  readonly refused: number;
};

const refusedWaitMs = 20;
/** Prime, so that callers walk through all learners and never together. */
const stride = 7_919;
const { url, tls } = workerOptions<CmsClientOptions>();
const transport = createConnectTransport({
  baseUrl: url,
  httpVersion: "2",
  nodeOptions: { ...readTls(tls), minVersion: "TLSv1.3" },
});
const enrollments = createClient(EnrollmentService, transport);
const catalog = createClient(CatalogService, transport);

answerQuestions(async (question: CmsQuestion): Promise<CmsAnswer> => {
  const { concurrency, seconds, learners } = question;
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + seconds * 1_000;
  let refused = 0;
  let asked = 0;
  const caller = async () => {
    while (performance.now() < endMs) {
      const sentMs = performance.now();
      asked += 1;
      try {
        await ask(question, `learner-${(asked * stride) % learners}`);
        latenciesMs.push(performance.now() - sentMs);
      } catch (error) {
        if (ConnectError.from(error).code !== Code.Unavailable) throw error;
        refused += 1;
        await sleep(refusedWaitMs);
      }
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const perSecond = (latenciesMs.length * 1_000) / (performance.now() - startMs);
  latenciesMs.sort((a, b) => a - b);
  const [p50Ms, p99Ms] = [percentile(latenciesMs, 0.5), percentile(latenciesMs, 0.99)];
  return { perSecond, p50Ms, p99Ms, refused };
});

async function ask(question: CmsQuestion, learnerId: string): Promise<void> {
  const { call, courseId, lessonId } = question;
  if (call === "get-lesson") {
    await catalog.getCatalogLesson({ lessonId, learnerId });
    return;
  }
  const { allowed, reason } = await enrollments.checkAccess({ learnerId, courseId });
  if (!allowed) throw new Error(`${learnerId} was refused: ${reason}`);
}
