// An endpoint's filter: CEL over the parsed event, compiled when the configuration
// is loaded. It is written by operators and judges what senders choose, so it is
// bounded by its own length and by the body's; what it cannot judge passes.

import { type CelInput, CelScalar, celEnv, parse, plan } from "@bufbuild/cel";
import { strings } from "@bufbuild/cel/ext";
import type { WebhookReceived } from "#gen/bursar/webhook/v1/webhook_pb.ts";
import { matcherOf } from "#mesh/policy/pattern.ts";
import { checkExpression } from "./check-expression.ts";
import { eventOf } from "./event-of.ts";

/** What the filter says: pass, do not, or that it cannot tell, which lets the event pass too. */
export type Judgement = "passes" | "filtered" | "failed";

export type Filter = {
  readonly expression: string;
  judge(webhook: WebhookReceived): Judgement;
};

/** As the schema says. */
export const expressionLengthMax = 2048;
/** A filter looks at every member once and more: larger bodies pass unjudged. */
export const filteredBytesMax = 1024 * 1024;

const environment = celEnv({
  variables: {
    event: CelScalar.DYN,
    type: CelScalar.STRING,
    id: CelScalar.STRING,
    provider: CelScalar.STRING,
  },
  funcs: strings,
  // Patterns are matched in linear time: the text is the sender's.
  re2: { compile: (pattern) => ({ test: matcherOf(pattern) }) },
});

/** The filter, or why it cannot be one. */
export function parseFilter(expression: string): Filter | { readonly problem: string } {
  if (expression.length > expressionLengthMax) {
    return { problem: `is longer than ${expressionLengthMax} characters` };
  }
  let evaluate: ReturnType<typeof plan>;
  try {
    const { expr } = parse(expression);
    const problem = checkExpression(expr, (name) => environment.funcs.find(name) !== undefined);
    if (problem) return { problem };
    evaluate = plan(environment, expr) as typeof evaluate;
  } catch (error) {
    return { problem: `does not compile: ${firstLine(error)}` };
  }
  return {
    expression,
    judge(webhook) {
      if (webhook.body.byteLength > filteredBytesMax) return "failed";
      const event = eventOf(webhook);
      if (event === undefined) return "failed";
      const { eventType: type, eventId: id, provider } = webhook;
      try {
        const result = evaluate({ event, type, id, provider } as Record<string, CelInput>);
        return typeof result === "boolean" ? (result ? "passes" : "filtered") : "failed";
      } catch {
        return "failed";
      }
    },
  };
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return (message.split("\n", 1)[0] ?? "").slice(0, 200);
}
