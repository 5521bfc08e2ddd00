// EnrollmentService: who has access to what, and why.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { EnrollmentSchema } from "#gen/bursar/cms/v1/enrollment_pb.ts";
import type {
  CheckAccessRequest,
  CheckAccessResponseSchema,
  EnrollmentService,
} from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { namedLearner, requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { refused } from "../requests/refusal.ts";
import { type AccessChecker, type AccessQuestion, accessChecker } from "./check.ts";
import { enrollmentState, lapseTime } from "./enrollment.ts";
import * as store from "./enrollment-store.ts";
import type { AccessAnswer } from "./verdict.ts";
import { accessReasonToWire, enrollmentStateToWire, grantToWire } from "./wire.ts";

export function enrollmentService(
  pool: Pool,
  checker: AccessChecker = accessChecker(pool),
): ServiceImpl<typeof EnrollmentService> {
  return {
    async checkAccess(request, context) {
      return answerToWire(await checker.check(questionOf(request, context)));
    },

    async batchCheckAccess({ checks }, context) {
      const answers = await checker.checkAll(checks.map((check) => questionOf(check, context)));
      return { answers: answers.map(answerToWire) };
    },

    async getEnrollment({ learnerId: named, courseId }, context) {
      const learnerId = requiredLearner(context, named);
      const enrollment = await store.readEnrollment(pool, learnerId, courseId);
      if (!enrollment) {
        throw refused("ENROLLMENT_NOT_FOUND", `the learner was never enrolled in ${courseId}`, {
          resource: courseId,
        });
      }
      return { enrollment: enrollmentToWire(enrollment) };
    },

    async listEnrollments(request, context) {
      const learnerId = requiredLearner(context, request.learnerId);
      const question = ["ListEnrollments", learnerId];
      const page = readPage(request, question);
      const enrollments = await store.readEnrollments(pool, learnerId, page);
      const cut = cutPage(enrollments, page, question, ({ courseId }) => courseId);
      return {
        enrollments: cut.rows.map(enrollmentToWire),
        nextPageToken: cut.nextPageToken,
      };
    },
  };
}

function questionOf(
  { learnerId, courseId, lessonId }: CheckAccessRequest,
  context: HandlerContext,
): AccessQuestion {
  return { learnerId: namedLearner(context, learnerId), courseId, lessonId };
}

function answerToWire({
  allowed,
  reason,
  missingCourseIds,
  missingLessonIds,
}: AccessAnswer): MessageInitShape<typeof CheckAccessResponseSchema> {
  return {
    allowed,
    reason: accessReasonToWire[reason],
    missingCourseIds: [...missingCourseIds],
    missingLessonIds: [...missingLessonIds],
  };
}

function enrollmentToWire(
  enrollment: store.GrantedEnrollment,
): MessageInitShape<typeof EnrollmentSchema> {
  const { learnerId, courseId, createTime, grants, now } = enrollment;
  const state = enrollmentState(grants, now);
  const expireTime = state === "active" ? lapseTime(grants, now) : null;
  return {
    learnerId,
    courseId,
    state: enrollmentStateToWire[state],
    grants: grants.map((grant) => grantToWire(grant, now)),
    createTime: timestampFromDate(createTime),
    ...(expireTime && { expireTime: timestampFromDate(expireTime) }),
  };
}
