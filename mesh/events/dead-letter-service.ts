// DeadLetterService: shows operators what a service's consumers gave up, and has it handled again.

import type { DescMessage } from "@bufbuild/protobuf";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import {
  DeadLetterReplayRefusalSchema,
  type DeadLetterService,
} from "#gen/bursar/mesh/v1/dead_letter_service_pb.ts";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Pool } from "../database/pool.ts";
import { refuse, refuseRequest } from "../rpc/errors.ts";
import type { ConsumerDefinition } from "./consumer-definition.ts";
import { isEmpty, nameOfList } from "./dead-letter-filter.ts";
import { letterOf, readLetter, readPage } from "./dead-letter-rows.ts";
import { inspectDeadLetter } from "./inspect-dead-letter.ts";
import { pageSizeOf, readToken } from "./pages.ts";
import { eventsBeside } from "./pass-over.ts";
import { replayDeadLetter } from "./replay-dead-letter.ts";
import { refusalOf, replayDeadLetters } from "./replay-dead-letters.ts";

/**
 * The consumers are the service's own; who replays has them handle the message. The events it
 * publishes need only be given so that their letters, which the outbox gave up, can be read.
 */
export function deadLetterService(
  pool: Pool,
  consumers: readonly ConsumerDefinition[],
  published: readonly DescMessage[] = [],
): ServiceImpl<typeof DeadLetterService> {
  const schemas = new Map(
    eventsBeside([...published, ...consumers.flatMap(({ events }) => events)]).map((event) => [
      event.typeName,
      event,
    ]),
  );
  return {
    async listDeadLetters({ pageSize, pageToken, filter, includeResolved }) {
      const list = nameOfList(filter, includeResolved);
      const before = readToken(pageToken, list);
      const size = pageSizeOf(pageSize);
      const { rows, more } = await readPage(pool, { before, filter, includeResolved, size });
      const last = rows.at(-1);
      return {
        deadLetters: rows.map(letterOf),
        nextPageToken: more && last ? `${list}.${last.deadLetterId}` : "",
      };
    },

    async getDeadLetter({ deadLetterId }) {
      const row = await readLetter(pool, deadLetterId);
      if (row === undefined) throw absent(deadLetterId);
      const { problems, ...seen } = inspectDeadLetter(schemas.get(row.subject), row.data);
      return { deadLetter: letterOf(row), ...seen, problems: [...problems] };
    },

    async replayDeadLetter({ deadLetterId }) {
      const replayed = await replayDeadLetter(pool, consumers, deadLetterId);
      switch (replayed.kind) {
        case "absent":
          throw absent(deadLetterId);
        case "dead": {
          const value = refusalOf(replayed);
          const message = `dead letter ${deadLetterId} was given up again: ${value.detail}`;
          const desc = DeadLetterReplayRefusalSchema;
          throw refuse(Code.FailedPrecondition, message, { desc, value });
        }
        case "replayed":
          return { replayed: true };
        case "parked":
          return { waitsFor: replayed.waitsFor };
        case "handled":
          return {};
      }
    },

    async *replayDeadLetters({ filter, lettersMax }, { signal }) {
      if (filter === undefined || isEmpty(filter)) {
        const problem = "must name at least one part; say dead_time_until for all letters";
        throw refuseRequest(RequestRefusal.INVALID_FIELD, `filter ${problem}`, [
          { field: "filter", problem },
        ]);
      }
      yield* replayDeadLetters(pool, consumers, { filter, lettersMax, signal });
    },
  };
}

function absent(deadLetterId: bigint) {
  return refuse(Code.NotFound, `there is no dead letter ${deadLetterId}`);
}
