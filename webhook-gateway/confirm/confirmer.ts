// The confirmer: takes webhooks that their signature does not attest, asks their providers, and
// puts the answers on the stream for the desk. It never gives up by itself: after days it asks
// rarely and an alarm rings. What is asked twice is the same fact, under the same id.

import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { WebhookConfirmedSchema } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import { inTransaction } from "#mesh/database/transaction.ts";
import type { Broker } from "#mesh/events/broker.ts";
import { encodeEvent } from "#mesh/events/event.ts";
import { publish } from "#mesh/events/publish.ts";
import type { Log } from "#mesh/process/log.ts";
import type { Metrics } from "#mesh/process/metrics.ts";
import type { Endpoint } from "../endpoints.ts";
import { type Answer, type Asking, createAsk } from "./ask.ts";
import { type ConfirmMetrics, createConfirmMetrics } from "./metrics.ts";
import { type Question, questionOf } from "./questions.ts";
import { claim, finish, keepUnconfirmed, postpone, type Waiting } from "./queue.ts";

export type ConfirmerOptions = {
  readonly pool: Pool;
  readonly broker: Broker;
  /** Identity of this service. */
  readonly source: string;
  /** Those in force now. */
  readonly endpoints: () => ReadonlyMap<string, Pick<Endpoint, "provider" | "fetchBack">>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly now: () => Date;
  /** Left out but in tests. */
  readonly pace?: Partial<Pace>;
};

export type Pace = {
  /** For one answer of a provider. */
  readonly timeoutMs: number;
  readonly pollMs: number;
  readonly pauseMs: number;
  readonly pauseMsMax: number;
  /** How long after a webhook "there is no such thing" may only mean "not yet". */
  readonly unknownMs: number;
  /** After so long an alarm rings. */
  readonly stuckMs: number;
};

const paceDefault: Pace = {
  timeoutMs: 10_000,
  pollMs: 1_000,
  pauseMs: 5_000,
  pauseMsMax: 4 * 3_600_000,
  unknownMs: 15 * 60_000,
  stuckMs: 3 * 86_400_000,
};

/** Questions that are out at a time. */
const asksMax = 8;
/** Longer than a token, its renewal, an answer and the broker together may take. */
const holdMs = 60_000;
const publishDeadlineMs = 10_000;

export function startConfirmer(options: ConfirmerOptions): AsyncDisposable {
  const pace = { ...paceDefault, ...options.pace };
  const stopping = new AbortController();
  const metrics = createConfirmMetrics(options.metrics);
  const round = createRound(options, pace, metrics);
  const measuring = metrics.measure(options.pool, stopping.signal);
  const running = (async () => {
    for (let failures = 0; !stopping.signal.aborted; ) {
      let pauseMs = pace.pollMs;
      try {
        const asked = options.broker.connected ? await round() : 0;
        failures = 0;
        if (asked === asksMax) continue;
      } catch (error) {
        if (failures++ === 0) options.log.warn("the confirmer pauses", { error });
        pauseMs = Math.min(30_000, pace.pollMs * 2 ** failures);
      }
      await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await Promise.all([running, measuring]);
    },
  };
}

/** How many were asked about. */
function createRound(
  options: ConfirmerOptions,
  pace: Pace,
  metrics: ConfirmMetrics,
): () => Promise<number> {
  const { pool, now } = options;
  const ask = createAsk({ timeoutMs: pace.timeoutMs, now });
  return async () => {
    const endpoints = options.endpoints();
    const endpointIds = [...endpoints].flatMap(([id, { fetchBack }]) => (fetchBack ? [id] : []));
    if (endpointIds.length === 0) return 0;
    const claimed = await claim(pool, { endpointIds, limit: asksMax, holdMs });
    // Several webhooks that point at one thing are answered together.
    const answers = new Map<string, Promise<Answer>>();
    const askOnce = (endpointId: string, asking: Asking) => {
      const name = `${endpointId} ${asking.path}`;
      const answer = answers.get(name) ?? ask(asking);
      answers.set(name, answer);
      return answer;
    };
    const settled = await Promise.allSettled(
      claimed.map(async (waiting) => {
        const { endpointId, provider: name } = waiting.webhook;
        const { provider, fetchBack } = endpoints.get(endpointId) ?? {};
        const question = questionOf(waiting.webhook);
        if (!question) return keep(options, waiting, `${name} is not asked about such a webhook`);
        if (!provider || !fetchBack) return;
        const answer = await askOnce(endpointId, { provider, fetchBack, path: question.path });
        metrics.asked(name, answer.kind);
        await settle(options, pace, { waiting, question, answer });
      }),
    );
    for (const one of settled) if (one.status === "rejected") throw one.reason;
    return claimed.length;
  };
}

type Asked = { readonly waiting: Waiting; readonly question: Question; readonly answer: Answer };

async function settle(options: ConfirmerOptions, pace: Pace, asked: Asked): Promise<void> {
  const { pool, log, now } = options;
  const { waiting, question, answer } = asked;
  const ageMs = now().getTime() - waiting.receivedAt.getTime();
  if (answer.kind === "answered") {
    await publishAnswer(options, waiting, question, answer.body);
    return finish(pool, waiting);
  }
  if (answer.kind === "unknown" && ageMs >= pace.unknownMs) {
    return keep(options, waiting, `${waiting.webhook.provider} knows no ${question.id}`);
  }
  const problem =
    answer.kind === "unknown"
      ? `there is no ${question.id} yet`
      : `${question.path}: ${answer.problem}`;
  if (answer.kind === "denied") {
    const { endpointId: endpoint } = waiting.webhook;
    log.error("a provider refuses the credentials of fetch_back; correct them", {
      endpoint,
      problem,
    });
  }
  const pauseMs = Math.min(pace.pauseMsMax, pace.pauseMs * 2 ** Math.min(waiting.failures, 30));
  const afterMs = Math.round(pauseMs * (0.5 + Math.random() / 2));
  await postpone(pool, waiting, { problem, afterMs, stuck: ageMs >= pace.stuckMs });
}

/** Published before the row goes: a crash in between asks again, and one answer counts once. */
async function publishAnswer(
  { broker, source, now }: ConfirmerOptions,
  { webhook, webhookId, traceparent }: Waiting,
  { path }: Question,
  body: Uint8Array,
): Promise<void> {
  const time = now();
  const digest = createHash("sha256").update(body).digest("base64url");
  const event = encodeEvent(
    WebhookConfirmedSchema,
    { webhookId, webhook, body, path, fetchedTime: timestampFromDate(time) },
    { messageId: `${webhookId}/confirmed/${digest}`, source, time, traceparent },
  );
  await publish(broker, event, { deadlineMs: publishDeadlineMs });
}

async function keep({ pool }: ConfirmerOptions, waiting: Waiting, reason: string): Promise<void> {
  await inTransaction(pool, (tx) => keepUnconfirmed(tx, waiting, reason));
}
