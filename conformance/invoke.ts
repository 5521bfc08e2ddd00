// Makes one call as a ClientCompatRequest describes it, and tells what came back.

import { setTimeout as sleep } from "node:timers/promises";
import type { Message } from "@bufbuild/protobuf";
import { type CallOptions, ConnectError } from "@connectrpc/connect";
import { headersOf } from "./headers.ts";
import {
  type CallResult,
  type ClientCompatRequest,
  type Header,
  type Payload,
  type RpcError,
  StreamType,
} from "./messages.ts";
import { withoutOurs } from "./own-deadline.ts";
import type { Schema } from "./schema.ts";
import { createTurns, type Turns } from "./turns.ts";

type Answer = { readonly payload?: Payload };
type ForOne = (request: unknown, options: CallOptions) => Promise<Answer>;
type ForMany = (request: unknown, options: CallOptions) => AsyncIterable<Answer>;
/** A client of the service, method by method; its messages have no generated types. */
export type Rpc = Readonly<Record<string, ForOne | ForMany>>;

export async function invoke(
  rpc: Rpc,
  request: ClientCompatRequest,
  schema: Schema,
): Promise<CallResult> {
  const name = request.method ?? "Unary";
  const method = schema.service.methods.find((candidate) => candidate.name === name);
  const work = method && rpc[method.localName];
  if (!work) throw new Error(`the service has no method ${name}`);
  const seen: Seen = { payloads: [] };
  const error = await call(work, request, request.requestMessages.map(schema.unpack), seen);
  // A client is told of an error with its headers and trailers in one.
  const metadata = error ? headersOf(error.metadata) : [];
  const result = {
    responseHeaders: seen.headers ?? metadata,
    payloads: seen.payloads,
    ...(error && { error: describe(error) }),
    responseTrailers: seen.trailers ?? metadata,
  };
  return withoutOurs(result, request, schema);
}

type Seen = { headers?: Header[]; trailers?: Header[]; readonly payloads: Payload[] };

async function call(
  work: ForOne | ForMany,
  request: ClientCompatRequest,
  messages: readonly Message[],
  seen: Seen,
): Promise<ConnectError | undefined> {
  const { streamType, timeoutMs, cancel } = request;
  const giveUp = new AbortController();
  const turns = createTurns(streamType === StreamType.FULL_DUPLEX_BIDI);
  const options: CallOptions = {
    headers: pairsOf(request.requestHeaders),
    signal: giveUp.signal,
    onHeader: (headers) => {
      seen.headers = headersOf(headers);
    },
    onTrailer: (trailers) => {
      seen.trailers = headersOf(trailers);
    },
    ...(timeoutMs !== undefined && { timeoutMs }),
  };
  const sendsOne = streamType === StreamType.UNARY || streamType === StreamType.SERVER_STREAM;
  const getsOne = streamType === StreamType.UNARY || streamType === StreamType.CLIENT_STREAM;
  try {
    if (sendsOne) {
      await sleep(request.requestDelayMs);
      giveUpWhenSent(request, giveUp);
    }
    const input = sendsOne ? messages[0] : outgoing(messages, request, giveUp, turns);
    const answers = getsOne
      ? [await (work as ForOne)(input, options)]
      : (work as ForMany)(input, options);
    for await (const { payload } of answers) {
      seen.payloads.push(payload ?? { data: new Uint8Array() });
      turns.answered();
      const timing = cancel?.cancelTiming;
      const isEnough =
        timing?.case === "afterNumResponses" && timing.value === seen.payloads.length;
      if (isEnough) giveUp.abort();
    }
    return undefined;
  } catch (error) {
    return ConnectError.from(error);
  } finally {
    turns.over();
  }
}

async function* outgoing(
  messages: readonly Message[],
  request: ClientCompatRequest,
  giveUp: AbortController,
  turns: Turns,
): AsyncIterable<Message> {
  for (const message of messages) {
    await sleep(request.requestDelayMs);
    yield message;
    await turns.next();
  }
  if (request.cancel?.cancelTiming.case === "beforeCloseSend") giveUp.abort();
  else giveUpWhenSent(request, giveUp);
}

function giveUpWhenSent({ cancel }: ClientCompatRequest, giveUp: AbortController): void {
  if (cancel === undefined) return;
  const { cancelTiming: timing } = cancel;
  // Without a timing of its own a call is given up as soon as it is sent.
  const delayMs = timing.case === "afterCloseSendMs" ? timing.value : 0;
  if (timing.case !== "afterNumResponses") setTimeout(() => giveUp.abort(), delayMs);
}

function pairsOf(headers: readonly Header[]): [string, string][] {
  return headers.flatMap(({ name, value }) => value.map((text): [string, string] => [name, text]));
}

function describe(error: ConnectError): RpcError {
  const details = error.details.map((detail) => {
    if (!("type" in detail)) throw new Error("a detail was made here instead of received");
    return { typeUrl: `type.googleapis.com/${detail.type}`, value: detail.value };
  });
  return { code: error.code, message: error.rawMessage, details };
}
