// A read, and how its answer is judged: by the model at one moment, or by what it would refuse.

import type { DescMessage, Message } from "@bufbuild/protobuf";
import type { RefusalDetail } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { isRefusedAs, textOfAnswer } from "./answers.ts";
import { type Answer, type Clients, refusalOf } from "./ask.ts";
import type { Ledger } from "./books.ts";
import type { Window } from "./calls.ts";
import { difference, textOfValue } from "./disagreement.ts";
import type { Refusal } from "./refusals.ts";

/** What is wrong with an answer, by a ledger at one moment. */
export type Judge = (ledger: Ledger, window: Window) => string | undefined;

export type Seen = { readonly judge: Judge; readonly refusal?: RefusalDetail };

export type Read = {
  readonly what: string;
  /** It looks at the past: it is judged once, when the round is over. */
  readonly pinned: boolean;
  readonly send: (clients: Clients) => Promise<Seen>;
};

export async function seen<T>(
  call: Promise<T>,
  refused: (ledger: Ledger) => Refusal | undefined,
  judge: (answer: T, ledger: Ledger, window: Window) => string | undefined,
): Promise<Seen> {
  try {
    const answer = await call;
    return {
      judge: (ledger, window) => {
        const refusal = refused(ledger);
        return refusal ? textOfValue(refusal) : judge(answer, ledger, window);
      },
    };
  } catch (error) {
    const detail = refusalOf(error);
    if (!detail) throw error;
    const answer: Answer = { kind: "refused", detail, code: undefined };
    const judged: Judge = (ledger) => {
      const refusal = refused(ledger);
      if (refusal && isRefusedAs(answer, "", refusal)) return undefined;
      return `${textOfValue(refusal)}, answered ${textOfAnswer(answer)}`;
    };
    return { judge: judged, refusal: detail };
  }
}

export const never = (): undefined => undefined;

export function different(schema: DescMessage, model: Message | undefined, service: unknown) {
  const differ = difference(schema, model as never, service as never);
  return differ && `${differ.model}, answered ${differ.service}`;
}

export function differentLists(
  schema: DescMessage,
  model: readonly Message[],
  service: readonly Message[],
): string | undefined {
  for (let place = 0; place < Math.max(model.length, service.length); place++) {
    const problem = different(schema, model[place], service[place]);
    if (problem) return `${place}: ${problem}`;
  }
  return undefined;
}
