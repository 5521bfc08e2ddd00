// Who runs an RPC service, who answers for it, and how well it is meant to do.

import type { DescService } from "@bufbuild/protobuf";
import * as options from "#gen/bursar/mesh/v1/policy_pb.ts";
import { ownProblems } from "./own-rules.ts";
import { missing, optionOf, type PolicyProblem, remembered, throwProblems } from "./problem.ts";

/** Throws when the service has no valid policy. */
export const servicePolicy = remembered((service: DescService): options.ServicePolicy => {
  throwProblems(service.typeName, serviceProblems(service));
  return optionOf(service, options.service) as options.ServicePolicy;
});

/** What is wrong with the service's own policy, its methods left aside. */
export function serviceProblems(service: DescService): readonly PolicyProblem[] {
  const policy = optionOf(service, options.service);
  if (policy === undefined) return [missing(service, "service")];
  return ownProblems(service, options.ServicePolicySchema, policy);
}
