// The routes of a service with what its policies say of each method: who may call, for how long,
// how large, and how urgent. A method whose policy is missing or wrong stops the start.

import assert from "node:assert/strict";
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node";
import { RateClass } from "#gen/bursar/mesh/v1/policy_pb.ts";
import { checkService } from "../policy/check.ts";
import { methodPolicy, servicePolicy } from "../policy/policy.ts";
import { methodName } from "../telemetry/rpc.ts";
import type { Admission, AdmissionRule, MethodAdmission } from "./admission/admission.ts";
import type { DeadlinePolicy } from "./deadline.ts";
import type { GateRule } from "./gate.ts";
import type { JsonDoor } from "./json-door.ts";

export const compressions = [compressionGzip, compressionBrotli];

export type MethodRule = {
  readonly gate: GateRule;
  readonly deadline: DeadlinePolicy;
  readonly door: JsonDoor;
  /** Undefined: always admitted, because nothing works without it. */
  readonly admission: AdmissionRule | undefined;
};

export type Route = {
  readonly method: DescMethod;
  readonly rule: MethodRule;
  readonly handler: UniversalHandler;
  readonly admission: MethodAdmission | undefined;
};

/** What calls of the mesh's own may last; a longer timer would end at once. */
const openDeadline: DeadlinePolicy = { deadlineDefaultMs: undefined, deadlineMaxMs: 86_400_000 };

/** Policy of each of a service's methods; throws when one has none or a wrong one. */
export function rulesOf(
  desc: DescService,
  server: { readonly service: string; readonly readMaxBytes: number },
): ReadonlyMap<DescMethod, MethodRule> {
  checkService(desc);
  const { identity, objective } = servicePolicy(desc);
  if (identity !== "" && identity !== server.service) {
    throw new Error(
      `${desc.typeName} is served by ${identity} says its policy, not by ${server.service}`,
    );
  }
  return new Map(
    desc.methods.map((method) => {
      const policy = methodPolicy(method);
      const readMaxBytes = policy.requestBytesMax || server.readMaxBytes;
      const { callers, scopes, endUsers, rateClass } = policy;
      const rule: MethodRule = {
        gate: { kind: "policy", callers, scopes, endUsers },
        deadline: policy,
        door: { input: method.input, readMaxBytes, compressions },
        // Where the usual call takes half of what one in a hundred may, more calls break the promise.
        admission: admissionRule(method, rateClass, (objective?.latencyP99Ms ?? 1_000) / 2),
      };
      return [method, rule];
    }),
  );
}

/** Rules of the mesh's own services: an identity is enough. */
export function openRulesOf(
  desc: DescService,
  readMaxBytes: number,
): ReadonlyMap<DescMethod, MethodRule> {
  return new Map(
    desc.methods.map((method) => {
      const isCall = method.methodKind === "unary";
      const rule: MethodRule = {
        gate: { kind: "identity" },
        deadline: openDeadline,
        door: { input: method.input, readMaxBytes, compressions },
        // A health check is answered whatever the load: unanswered, all would leave at once.
        admission: isCall ? undefined : admissionRule(method, RateClass.INTERACTIVE, 0),
      };
      return [method, rule];
    }),
  );
}

function admissionRule(method: DescMethod, rateClass: RateClass, targetMs: number): AdmissionRule {
  const kind = method.methodKind === "unary" ? "call" : "stream";
  return { name: methodName(method), kind, rateClass, targetMs };
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

export function routesOf(
  router: ConnectRouter,
  rules: ReadonlyMap<DescMethod, MethodRule>,
  admission: Admission,
): readonly Route[] {
  return router.handlers.map((handler) => {
    const { method } = handler;
    const rule = rules.get(method);
    assert(rule, `${handler.requestPath} has no rule`);
    return { method, rule, handler, admission: rule.admission && admission.method(rule.admission) };
  });
}
