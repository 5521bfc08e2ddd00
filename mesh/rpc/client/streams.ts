// A call with many requests or many answers. Once the server has begun it, it is never made again;
// a server that did not begin it says so before its first message.

import type { DescMessage, DescMethodStreaming } from "@bufbuild/protobuf";
import { Code, ConnectError, type StreamResponse } from "@connectrpc/connect";
import { timedOut } from "./abort.ts";
import { untilAnswered } from "./attempts.ts";
import type { Endpoint } from "./endpoint.ts";
import { asCallError, failureOf } from "./failure.ts";
import { createReplay, type Replay } from "./replay.ts";
import type { AttemptKind } from "./retry.ts";
import type { CallContext, Caller } from "./unary.ts";

export type StreamCall<I extends DescMessage, O extends DescMessage> = CallContext & {
  readonly method: DescMethodStreaming<I, O>;
  readonly input: AsyncIterable<unknown>;
  /** Undefined: the stream may last. */
  readonly deadlineAt: number | undefined;
  /** Once, when it was read to its end or has failed. */
  readonly onOver: (error: ConnectError | undefined) => void;
};

export async function callStream<I extends DescMessage, O extends DescMessage>(
  caller: Caller,
  call: StreamCall<I, O>,
): Promise<StreamResponse<I, O>> {
  const replay = createReplay(call.input);
  let isOver = false;

  function over(error?: ConnectError): void {
    if (isOver) return;
    isOver = true;
    replay.end(error);
    call.onOver(error);
  }

  function failed(cause: unknown): ConnectError {
    const error = asCallError(ConnectError.from(cause));
    over(error);
    return error;
  }

  const { response, messages, first, place } = await open(caller, call, replay).catch(
    (cause: unknown) => {
      throw failed(cause);
    },
  );
  replay.commit();
  if (first.done) over();
  let unread: typeof first | undefined = first;

  async function next(): Promise<typeof first> {
    if (unread) {
      const result = unread;
      unread = undefined;
      return result;
    }
    try {
      const result = await messages.next();
      if (result.done) over();
      return result;
    } catch (cause) {
      place.judge(ConnectError.from(cause), false);
      throw failed(cause);
    }
  }

  return { ...response, message: { [Symbol.asyncIterator]: () => ({ next }) } };
}

/**
 * The first message belongs to the attempt: a server that did not begin the call says so in its
 * place, behind headers that say nothing.
 */
function open<I extends DescMessage, O extends DescMessage>(
  { endpoints, budget, metrics, random }: Caller,
  call: StreamCall<I, O>,
  replay: Replay<unknown>,
) {
  const { method, plan, header, signal, contextValues, deadlineAt } = call;
  const patience = { deadlineAt, signal };
  const met = new Set<Endpoint>();

  async function attempt(kind: AttemptKind) {
    const { endpoint, isProbe } = await endpoints.choose(met, patience);
    met.add(endpoint);
    call.onAttempt(kind, endpoint.target);
    const place = await endpoint.enter(patience, isProbe);
    const leave = once(place.leave);
    try {
      const transport = place.streamTransport(leave);
      const requests = replay.read() as AsyncIterable<never>;
      const leftMs = leftOf(deadlineAt);
      const response = await transport.stream(
        method,
        signal,
        leftMs,
        header,
        requests,
        contextValues,
      );
      place.judge(undefined, false);
      const messages = response.message[Symbol.asyncIterator]();
      return { response, messages, first: await messages.next(), place };
    } catch (cause) {
      leave();
      const error = ConnectError.from(cause);
      place.judge(error, false);
      throw replay.isWhole() || !isUnbegun(error) ? error : spent(error);
    }
  }

  return untilAnswered({
    ...patience,
    plan,
    budget,
    random,
    attempt,
    isThereAnother: () => endpoints.isThereAnother(met),
    onDenied: metrics.denied,
  });
}

function leftOf(deadlineAt: number | undefined): number | undefined {
  if (deadlineAt === undefined) return undefined;
  const leftMs = Math.floor(deadlineAt - performance.now());
  if (leftMs < 1) throw timedOut();
  return leftMs;
}

/** Requests that were read and not kept cannot be sent a second time. */
function spent(cause: ConnectError): ConnectError {
  const message = "the server did not take the stream, and too many of its requests are read";
  return new ConnectError(message, Code.Unavailable, cause.metadata, undefined, cause);
}

function isUnbegun(error: ConnectError): boolean {
  const failure = failureOf(error);
  return failure === "not-begun" || failure === "overloaded";
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
