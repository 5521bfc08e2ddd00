// EnrollmentService: who has access to what, and why.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import type { EnrollmentSchema } from "#gen/bursar/cms/v1/enrollment_pb.ts";
import type { EnrollmentService } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { requiredLearner } from "../requests/learner.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { refused } from "../requests/refusal.ts";
import * as store from "./enrollment-store.ts";
import { accessReasonToWire, enrollmentStateToWire, grantStateToWire } from "./wire.ts";

export function enrollmentService(pool: Pool): ServiceImpl<typeof EnrollmentService> {
  return {
    async checkAccess({ learnerId: named, courseId }, context) {
      const learnerId = requiredLearner(context, named);
      const state = await store.readState(pool, learnerId, courseId);
      return { allowed: state === "active", reason: accessReasonToWire[state] };
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

function enrollmentToWire(
  enrollment: store.GrantedEnrollment,
): MessageInitShape<typeof EnrollmentSchema> {
  const { learnerId, courseId, state, createTime, grants } = enrollment;
  return {
    learnerId,
    courseId,
    state: enrollmentStateToWire[state],
    grants: grants.map((grant) => ({
      grantId: grant.grantId,
      ledgerId: grant.ledgerId,
      paymentId: grant.paymentId,
      orderId: grant.orderId,
      state: grantStateToWire[grant.state],
      sourceVersion: grant.sourceVersion,
      createTime: timestampFromDate(grant.createTime),
      updateTime: timestampFromDate(grant.updateTime),
    })),
    createTime: timestampFromDate(createTime),
  };
}
