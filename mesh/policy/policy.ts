// Policies stand beside the RPCs, events, streams and fields in the schema, as options. They are
// read from the descriptors at start; one that is missing or breaks a rule stops the process and
// names what it stands on. docs/policy.md says what each option does.

export type { EventPolicy, MethodPolicy, ServicePolicy } from "#gen/bursar/mesh/v1/policy_pb.ts";
export { eventPolicy } from "./event-policy.ts";
export { type FieldPolicy, fieldPolicy } from "./field-policy.ts";
export {
  type Hedge,
  hedgeOf,
  isRepeatable,
  methodPolicy,
  type Retry,
  retryOf,
} from "./method-policy.ts";
export { servicePolicy } from "./service-policy.ts";
export { type StreamPolicy, streamPolicy } from "./stream-policy.ts";
