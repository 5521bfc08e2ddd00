// GrantService: access without money, and proof that access with money is what the ledger says.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { type GrantSchema, GrantSource } from "#gen/bursar/cms/v1/enrollment_pb.ts";
import {
  type CreateCohortGrantsRequest,
  type CreateGrantRequest,
  GrantService,
} from "#gen/bursar/cms/v1/grant_service_pb.ts";
import type { Pool, Tx } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import { actorOf } from "../requests/actor.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { notFound, refused } from "../requests/refusal.ts";
import { once } from "../requests/request-id.ts";
import { grantFilter } from "./grant-filter.ts";
import * as store from "./grant-store.ts";
import { giveGrants, refuseUnknownCourses, revokeGrant } from "./grants.ts";
import type { LedgerReads } from "./ledger-reads.ts";
import { reconcile } from "./reconcile.ts";
import { grantToWire } from "./wire.ts";

export type GrantServiceOptions = {
  readonly pool: Pool;
  /** Undefined where the service was not told where the ledger is. */
  readonly ledger?: LedgerReads | undefined;
};

export function grantService({
  pool,
  ledger,
}: GrantServiceOptions): ServiceImpl<typeof GrantService> {
  return {
    createGrant(request, context) {
      const actor = actorOf(context);
      return inTransaction(pool, (tx) =>
        once(tx, GrantService.method.createGrant, request, async () => {
          return { grants: await createGrants(tx, request, actor) };
        }),
      );
    },

    createCohortGrants(request, context) {
      const actor = actorOf(context);
      return inTransaction(pool, (tx) =>
        once(tx, GrantService.method.createCohortGrants, request, async () => {
          return createCohortGrants(tx, request, actor);
        }),
      );
    },

    async revokeGrant(request) {
      const now = new Date();
      const grant = await inTransaction(pool, (tx) => revokeGrant(tx, request, now));
      return { grant: grantToWire(grant, now) };
    },

    async getGrant({ grantId }) {
      const grant = await store.readGrant(pool, grantId);
      if (!grant) throw notFound("GRANT_NOT_FOUND", grantId);
      return { grant: grantToWire(grant, new Date()) };
    },

    async listGrants(request) {
      const question = ["ListGrants", request.filter];
      const page = readPage(request, question);
      const grants = await store.listGrants(pool, grantFilter(pool, request.filter), page);
      const cut = cutPage(grants, page, question, ({ grantId }) => grantId);
      const now = new Date();
      return {
        grants: cut.rows.map((grant) => grantToWire(grant, now)),
        nextPageToken: cut.nextPageToken,
      };
    },

    async reconcileGrants(request) {
      if (ledger === undefined) {
        const message = "this service does not know where the ledger is: set BURSAR_LEDGER_URL";
        throw refused("LEDGER_NOT_CONFIGURED", message);
      }
      return reconcile(pool, ledger, request);
    },
  };
}

const sources = {
  [GrantSource.MANUAL]: "manual",
  [GrantSource.COHORT]: "cohort",
  [GrantSource.GIFT]: "gift",
} as const;

async function createGrants(
  tx: Tx,
  request: CreateGrantRequest,
  actor: string,
): Promise<MessageInitShape<typeof GrantSchema>[]> {
  const { requestId, learnerId, courseIds, reason } = request;
  const source = sources[request.source as keyof typeof sources];
  if (source === "cohort" && request.sourceId === "") {
    throw refused("SOURCE_ID_MISSING", "source_id is empty; name the cohort of the learner");
  }
  const now = new Date();
  const plan = {
    ...{ source, sourceId: request.sourceId || requestId, orderId: null, reason, actor },
    ...{ learnerIds: [learnerId], courseIds, expireTime: expireTimeOf(request, now) },
  };
  await refuseUnknownCourses(tx, courseIds);
  const grants = await giveGrants(tx, plan, now);
  const made = new Set(grants.map(({ courseId }) => courseId));
  const taken = courseIds.find((courseId) => !made.has(courseId));
  if (taken !== undefined) {
    const message = `the learner has a grant of ${source} ${plan.sourceId} in course ${taken}`;
    throw refused("GRANT_EXISTS", `${message}; list it, and revoke it first`, { resource: taken });
  }
  return grants.map((grant) => grantToWire({ ...grant, ...fresh(now) }, now));
}

function fresh(now: Date) {
  return { ledgerId: null, paymentId: null, revokeReason: "", updateTime: now };
}

async function createCohortGrants(tx: Tx, request: CreateCohortGrantsRequest, actor: string) {
  const { cohortId: sourceId, learnerIds, courseIds, reason } = request;
  const now = new Date();
  const expireTime = expireTimeOf(request, now);
  await refuseUnknownCourses(tx, courseIds);
  const grants = await giveGrants(
    tx,
    {
      ...{ source: "cohort", sourceId, orderId: null, reason, actor },
      ...{ learnerIds, courseIds, expireTime },
    },
    now,
  );
  const existingCount = learnerIds.length * courseIds.length - grants.length;
  return { createdCount: grants.length, existingCount };
}

function expireTimeOf(
  { expireTime }: { readonly expireTime?: Timestamp | undefined },
  now: Date,
): Date | null {
  if (expireTime === undefined) return null;
  const time = timestampDate(expireTime);
  if (time > now) return time;
  const message = `expire_time ${time.toISOString()} has passed; it is ${now.toISOString()}`;
  throw refused("EXPIRE_TIME_PAST", message);
}
