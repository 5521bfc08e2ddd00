// The conformance service as its proto asks for it: a request says how it wants
// to be answered, and the answer tells what arrived.

import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectError, ConnectRouter, HandlerContext } from "@connectrpc/connect";
import { refuse } from "#mesh/rpc/errors.ts";
import { headersOf } from "./headers.ts";
import type {
  Packed,
  Payload,
  RequestInfo,
  RpcError,
  StreamDefinition,
  StreamRequest,
  UnaryDefinition,
  UnaryRequest,
} from "./messages.ts";
import { askedOf } from "./own-deadline.ts";
import type { Schema } from "./schema.ts";

export function conformanceRoutes(schema: Schema): (router: ConnectRouter) => void {
  const { service, registry, pack } = schema;

  async function unary(request: UnaryRequest, context: HandlerContext) {
    return answer(request.responseDefinition, arrivalOf(context)([pack(request)]), context);
  }

  async function clientStream(requests: AsyncIterable<UnaryRequest>, context: HandlerContext) {
    const arrived = arrivalOf(context);
    const received: UnaryRequest[] = [];
    for await (const request of requests) received.push(request);
    return answer(received[0]?.responseDefinition, arrived(received.map(pack)), context);
  }

  async function answer(
    definition: UnaryDefinition | undefined,
    requestInfo: RequestInfo,
    context: HandlerContext,
  ): Promise<{ payload: Payload }> {
    setHeaders(definition, context);
    await pause(definition, context);
    const response = definition?.response;
    if (response?.case === "error") throw failure(response.value, requestInfo);
    const data = response?.case === "responseData" ? response.value : new Uint8Array();
    return { payload: { data, requestInfo } };
  }

  async function* serverStream(request: StreamRequest, context: HandlerContext) {
    const definition = request.responseDefinition;
    setHeaders(definition, context);
    yield* answers(definition, arrivalOf(context)([pack(request)]), context);
  }

  async function* bidiStream(requests: AsyncIterable<StreamRequest>, context: HandlerContext) {
    const arrived = arrivalOf(context);
    let first: StreamRequest | undefined;
    let unanswered: Packed[] = [];
    let sent = 0;
    for await (const request of requests) {
      if (first === undefined) setHeaders(request.responseDefinition, context);
      first ??= request;
      unanswered.push(pack(request));
      if (!first.fullDuplex) continue;
      const data = first.responseDefinition?.responseData[sent];
      if (data === undefined) break;
      await pause(first.responseDefinition, context);
      const requestInfo = sent === 0 ? arrived(unanswered) : onlyRequests(unanswered);
      yield { payload: { data, requestInfo } };
      sent += 1;
      unanswered = [];
    }
    const requestInfo = arrived(unanswered);
    yield* answers(first?.responseDefinition, requestInfo, context, sent);
  }

  /** What is left to send, and the error at its end; only the very first thing tells what arrived. */
  async function* answers(
    definition: StreamDefinition | undefined,
    requestInfo: RequestInfo,
    context: HandlerContext,
    sentBefore = 0,
  ): AsyncIterable<{ payload: Payload }> {
    let sent = sentBefore;
    for (const data of definition?.responseData.slice(sentBefore) ?? []) {
      await pause(definition, context);
      yield { payload: sent === 0 ? { data, requestInfo } : { data } };
      sent += 1;
    }
    if (definition?.error) throw failure(definition.error, sent === 0 ? requestInfo : undefined);
  }

  /** An error that was asked for is an expected no, so it passes the mesh unchanged. */
  function failure({ code, message, details }: RpcError, info?: RequestInfo): ConnectError {
    const error = refuse(code, message ?? "");
    for (const { typeUrl, value } of details) {
      error.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
    }
    if (info) {
      const name = "ConformancePayload.RequestInfo";
      error.details.push({ type: schema.message(name).typeName, value: schema.write(name, info) });
    }
    return error;
  }

  const work = { unary, idempotentUnary: unary, clientStream, serverStream, bidiStream };
  const options = { jsonOptions: { registry } };
  // The messages have no generated types; their shapes are in messages.ts.
  return (router) => void router.service(service, work as never, options);
}

type Definition = UnaryDefinition | StreamDefinition | undefined;

function setHeaders(definition: Definition, context: HandlerContext): void {
  for (const { name, value } of definition?.responseHeaders ?? []) {
    for (const one of value) context.responseHeader.append(name, one);
  }
  for (const { name, value } of definition?.responseTrailers ?? []) {
    for (const one of value) context.responseTrailer.append(name, one);
  }
}

async function pause(definition: Definition, { signal }: HandlerContext): Promise<void> {
  if (definition?.responseDelayMs) await sleep(definition.responseDelayMs, undefined, { signal });
}

/** Taken when the call arrives: what is left of a deadline counts from there. */
function arrivalOf(context: HandlerContext): (requests: readonly Packed[]) => RequestInfo {
  const query = new URL(context.url).searchParams;
  const arrival = {
    requestHeaders: headersOf(context.requestHeader),
    ...askedOf(context.timeoutMs()),
    ...(context.requestMethod === "GET" && { connectGetInfo: { queryParams: headersOf(query) } }),
  };
  return (requests) => ({ ...arrival, requests: [...requests] });
}

function onlyRequests(requests: readonly Packed[]): RequestInfo {
  return { requestHeaders: [], requests: [...requests] };
}
