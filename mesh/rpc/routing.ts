// Wraps the routes of a service: every method gets the limits of its policy, and
// every request passes, on its way to the protocol's handler, through what
// Connect has no place for: bounded deadlines, a time limit on the body, the
// JSON door, and a record of its outcome.

import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import {
  assertByteStreamRequest,
  type UniversalHandler,
  type UniversalHandlerFn,
} from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { methodPolicy, servicePolicy } from "../policy/policy.ts";
import { type CallRecord, type Recorder, recordKey } from "./call-record.ts";
import { boundDeadline, type DeadlinePolicy, nextTraceparent } from "./deadline.ts";
import type { GateRule } from "./gate.ts";
import { type JsonDoor, throughJsonDoor } from "./json-door.ts";
import { closeUnread } from "./unread.ts";

export const compressions = [compressionGzip, compressionBrotli];

export type MethodRule = {
  readonly gate: GateRule;
  /** Undefined for the mesh's own methods, which may last. */
  readonly deadline: DeadlinePolicy | undefined;
  readonly door: JsonDoor;
};

/** Policy of each of a service's methods; throws when one has none or a wrong one. */
export function rulesOf(
  desc: DescService,
  server: { readonly service: string; readonly readMaxBytes: number },
): ReadonlyMap<DescMethod, MethodRule> {
  const { identity } = servicePolicy(desc);
  if (identity !== "" && identity !== server.service) {
    throw new Error(
      `${desc.typeName} is served by ${identity} says its policy, not by ${server.service}`,
    );
  }
  return new Map(
    desc.methods.map((method) => {
      const policy = methodPolicy(method);
      const readMaxBytes = policy.requestBytesMax || server.readMaxBytes;
      const { scopes, endUsers } = policy;
      return [
        method,
        {
          gate: { kind: "scopes", scopes, endUsers },
          deadline: policy,
          door: { input: method.input, readMaxBytes, compressions },
        },
      ];
    }),
  );
}

/** Rules of the mesh's own services: an identity is enough. */
export function openRulesOf(
  desc: DescService,
  readMaxBytes: number,
): ReadonlyMap<DescMethod, MethodRule> {
  return new Map(
    desc.methods.map((method) => [
      method,
      {
        gate: { kind: "identity" },
        deadline: undefined,
        door: { input: method.input, readMaxBytes, compressions },
      },
    ]),
  );
}

/** A router that notes the rules of what is registered and gives each method its own limits. */
export function ruledRouter(
  router: ConnectRouter,
  rules: Map<DescMethod, MethodRule>,
  readRules: (desc: DescService) => ReadonlyMap<DescMethod, MethodRule>,
): ConnectRouter {
  const ruled: ConnectRouter = {
    handlers: router.handlers,
    service(desc, implementation, options) {
      for (const [method, rule] of readRules(desc)) rules.set(method, rule);
      for (const method of desc.methods) {
        const work = (implementation as Record<string, Implementation | undefined>)[
          method.localName
        ];
        router.rpc(method, (work?.bind(implementation) ?? unimplemented(method)) as never, {
          ...options,
          readMaxBytes: rules.get(method)?.door.readMaxBytes ?? 1,
        });
      }
      return ruled;
    },
    rpc(method, implementation, options) {
      const rule = readRules(method.parent).get(method);
      if (rule) rules.set(method, rule);
      const readMaxBytes = rule?.door.readMaxBytes ?? 1;
      router.rpc(method, implementation, { ...options, readMaxBytes });
      return ruled;
    },
  };
  return ruled;
}

type Implementation = (...parameters: never[]) => unknown;

function unimplemented(method: DescMethod) {
  return () => {
    throw new ConnectError(`${method.toString()} is not implemented`, Code.Unimplemented);
  };
}

/** The handler behind the mesh's own steps; its other properties stay. */
export function guardHandler(
  handler: UniversalHandler,
  rule: MethodRule,
  recorder: Recorder,
): UniversalHandler {
  const { service, method, requestPath, protocolNames, allowedMethods, supportedContentType } =
    handler;
  const guarded: UniversalHandlerFn = async (request) => {
    assertByteStreamRequest(request);
    const { header, timeoutMs } = rule.deadline
      ? boundDeadline(request.header, rule.deadline)
      : { header: request.header, timeoutMs: undefined };
    const record: CallRecord = {
      method,
      startedAt: performance.now(),
      traceparent: nextTraceparent(header.get("traceparent")),
      identity: undefined,
      entered: false,
      closed: false,
    };
    request.contextValues?.set(recordKey, record);
    const body = timeoutMs === undefined ? request.body : withinTime(request.body, timeoutMs);
    const checked =
      request.method === "GET" ? { header, body } : throughJsonDoor(rule.door, { header, body });
    const response = await handler({ ...request, ...checked });
    return record.entered || record.closed ? response : closeUnread(response, record, recorder);
  };
  return Object.assign(guarded, {
    service,
    method,
    requestPath,
    protocolNames,
    allowedMethods,
    supportedContentType,
  });
}

/** Connect reads a body for as long as it takes to come; here the deadline counts for it too. */
async function* withinTime(
  body: AsyncIterable<Uint8Array>,
  timeoutMs: number,
): AsyncIterable<Uint8Array> {
  const late = Promise.withResolvers<never>();
  late.promise.catch(() => undefined);
  const timer = setTimeout(() => {
    late.reject(new ConnectError("the request took too long to arrive", Code.DeadlineExceeded));
  }, timeoutMs);
  const chunks = body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const chunk = await Promise.race([chunks.next(), late.promise]);
      if (chunk.done) return;
      yield chunk.value;
    }
  } finally {
    clearTimeout(timer);
  }
}
