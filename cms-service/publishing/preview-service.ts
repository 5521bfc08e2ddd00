// PreviewService: what is not published, for whoever holds a token, delivered as
// the catalog delivers. The token alone decides what is seen.

import { randomBytes } from "node:crypto";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { CourseRevision } from "#gen/bursar/cms/v1/course_pb.ts";
import type {
  CreatePreviewTokenRequest,
  PreviewService,
} from "#gen/bursar/cms/v1/preview_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { forLearner, localised, outlineForLearner, withHtml } from "../catalog/deliver.ts";
import { lockCourse } from "../courses/lock.ts";
import { contentOf, readTree } from "../courses/tree.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { keepKey, readKey, replaceKey } from "./preview-store.ts";
import {
  isSignedPreview,
  type PreviewClaims,
  previewKeyBytes,
  readPreview,
  signPreview,
} from "./preview-token.ts";
import { readRevision } from "./stored-revision.ts";

const ttlDefaultSeconds = 24 * 3_600;

export function previewService(pool: Pool): ServiceImpl<typeof PreviewService> {
  return {
    createPreviewToken: (request) => inTransaction(pool, (tx) => createToken(tx, request)),

    revokePreviewTokens: ({ courseId }) =>
      inTransaction(pool, async (tx) => {
        await lockCourse(tx, courseId);
        await replaceKey(tx, courseId, randomBytes(previewKeyBytes));
        return {};
      }),

    async getPreviewCourse({ token, locales }) {
      const content = await readShown(pool, await claimsOf(pool, token));
      return { course: outlineForLearner(localised(content, locales)) };
    },

    async getPreviewLesson({ token, lessonId, locales }) {
      const claims = await claimsOf(pool, token);
      const content = await readShown(pool, claims);
      const lessons = content.modules.flatMap((module) => module.lessons);
      const lesson = lessons.find((each) => each.lessonId === lessonId);
      if (!lesson) throw notFound("LESSON_NOT_FOUND", lessonId);
      const shown = localised(lesson, locales, content.defaultLocale);
      const { courseId, revision } = claims;
      return { courseId, revision, lesson: withHtml(forLearner(shown)) };
    },
  };
}

async function createToken(tx: Tx, { courseId, revision, ttl }: CreatePreviewTokenRequest) {
  await lockCourse(tx, courseId);
  if (revision > 0) await readRevision(tx, { courseId, revision });
  const key = await keepKey(tx, courseId, randomBytes(previewKeyBytes));
  const ttlSeconds = ttl ? Number(ttl.seconds) : ttlDefaultSeconds;
  const expireSeconds = Math.floor(Date.now() / 1_000) + ttlSeconds;
  return {
    token: signPreview(key, { courseId, revision, expireSeconds }),
    expireTime: timestampFromMs(expireSeconds * 1_000),
  };
}

/** Throws one refusal whatever is wrong with the signature, and never says the token. */
async function claimsOf(pool: Pool, token: string): Promise<PreviewClaims> {
  const claims = readPreview(token);
  const key = claims && (await readKey(pool, claims.courseId));
  if (!key || !isSignedPreview(key, claims, token)) {
    throw refused(
      "PREVIEW_TOKEN_INVALID",
      "the preview token is not one of this service's, or was revoked; ask for a new one",
    );
  }
  const expireMs = claims.expireSeconds * 1_000;
  if (Date.now() >= expireMs) {
    const expireTime = new Date(expireMs).toISOString();
    throw refused(
      "PREVIEW_TOKEN_EXPIRED",
      `the preview token ended at ${expireTime}; ask for a new one`,
      { resource: claims.courseId },
    );
  }
  return claims;
}

async function readShown(pool: Pool, claims: PreviewClaims): Promise<CourseRevision> {
  const { courseId, revision } = claims;
  if (revision > 0) return readRevision(pool, { courseId, revision });
  const tree = await readTree(pool, courseId, { texts: true });
  if (!tree) throw notFound("COURSE_NOT_FOUND", courseId);
  return { ...contentOf(tree), slug: tree.slug };
}
