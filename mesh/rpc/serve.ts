// One call, from its headers to its answer. What headers can tell is decided first, so that a call
// which fails there costs little: who calls, whether they may, whether there is time and room. Only
// then does Connect read and decode, and hand it to the handler.

import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { RequestRefusal } from "#gen/bursar/mesh/v1/refusal_pb.ts";
import type { Log } from "../process/log.ts";
import type { Places } from "./admission/places.ts";
import { answerError } from "./answer-error.ts";
import { bodyOf } from "./body.ts";
import { type CallRecord, createRecord, type Recorder, recordKey } from "./call-record.ts";
import { callerKey } from "./caller.ts";
import { refuseRequest } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { callKey } from "./interceptors/deadline.ts";
import { mapError } from "./interceptors/errors.ts";
import { checkQuery, throughJsonDoor } from "./json-door.ts";
import type { Request, Response } from "./listener.ts";
import { headerOf, protocolOf } from "./protocol.ts";
import { deadlineOf, headersOf, requireReadable, urlOf } from "./request-head.ts";
import type { Route } from "./routing.ts";
import { closeUnread } from "./unread.ts";
import { writeAnswer } from "./write-answer.ts";

export type ServeOptions = {
  readonly gate: Gate;
  readonly recorder: Recorder;
  readonly places: Places;
  /** Calls under way, to be ended when the server gives up waiting for them. */
  readonly underWay: Set<AbortController>;
  /** True: the server stops, and what comes now is refused untouched. */
  readonly refusing: () => boolean;
  readonly log: Log;
};

/** Settles when the call is over; rejects when its caller did not take the answer. */
export type Serve = (route: Route, request: Request, response: Response) => Promise<void>;

const callerLeft = new ConnectError("the caller left", Code.Canceled);
const stopping = refuseRequest(
  RequestRefusal.STOPPING,
  "the server is stopping and did nothing of this call: try another one",
);

export function createServe(options: ServeOptions): Serve {
  const { gate, recorder, log } = options;
  return async (route, request, response) => {
    const identity = gate.identify(request);
    // Whoever is not of the mesh does not choose whose trace the call belongs to.
    const isPeer = gate.ofMesh && identity !== undefined;
    const traceparent = isPeer ? headerOf(request, "traceparent") : undefined;
    const record = createRecord(route.method, traceparent ?? null);
    record.identity = identity;
    let entered: UniversalServerRequest;
    try {
      entered = await enter(options, { route, request, response, record });
    } catch (cause) {
      const { kind, error } = mapError(cause);
      if (kind !== "refusal") log.error("the gate failed", { error: cause });
      recorder.close(record, error);
      return answerError(request, response, error);
    }
    try {
      const answered = await route.handler(entered);
      const isKnown = record.entered || record.closed;
      const answer = isKnown ? answered : await closeUnread(answered, record, recorder);
      await writeAnswer(answer, response, isStreamed(route));
    } finally {
      // Of a stream that its caller did not take to the end.
      recorder.close(record, callerLeft);
    }
  };
}

type Arrival = {
  readonly route: Route;
  readonly request: Request;
  readonly response: Response;
  readonly record: CallRecord;
};

/** Throws the refusal; otherwise the request as Connect's handlers want it. */
async function enter(options: ServeOptions, arrival: Arrival): Promise<UniversalServerRequest> {
  const { gate, places } = options;
  const { route, request, record } = arrival;
  const { rule, admission } = route;
  const passed = gate.pass(request, record.identity, route.method, rule.gate);
  if (options.refusing()) throw stopping;
  requireReadable(route, request);
  const protocol = protocolOf(request);
  const { timeoutMs, text } = deadlineOf(route, request, protocol);
  const { identity, grant } = passed;
  // Of a page, the token is all that says who calls: a forged one must not use up the rate of others.
  const user = gate.ofMesh ? undefined : await gate.verify(passed, rule.gate);
  if (admission) places.enter(record, admission, { identity, rates: grant?.rates, timeoutMs });

  const url = urlOf(request);
  const header = headersOf(request, protocol, text);
  const caller =
    user ??
    (passed.token === undefined ? gate.caller(passed) : await gate.verify(passed, rule.gate));
  record.learnerId = caller.learnerId;
  if (request.method === "GET") await checkQuery(rule.door, new URL(url).searchParams, header);

  const { startedAt } = record;
  const deadlineAt = timeoutMs === undefined ? undefined : startedAt + timeoutMs;
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    url,
    ...throughJsonDoor(rule.door, { header, body: bodyOf(request, timeoutMs) }),
    signal: leavingOf(arrival, options.underWay),
    contextValues: createContextValues()
      .set(recordKey, record)
      .set(callerKey, caller)
      .set(callKey, { deadlineAt }),
  };
}

/** Aborted when the caller leaves before its answer. */
function leavingOf({ request, response, record }: Arrival, underWay: Set<AbortController>) {
  const leaving = new AbortController();
  underWay.add(leaving);
  const stream = "stream" in request ? request.stream : response;
  const left = () => {
    underWay.delete(leaving);
    if (!record.closed) leaving.abort(callerLeft);
  };
  if (stream.destroyed) left();
  else stream.once("close", left);
  return leaving.signal;
}

function isStreamed({ method }: Route): boolean {
  return method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
}
