// Which endpoint a call goes to: one that is well, and that the call has not met yet, and of two
// such the lighter one. When none is well all of them are, because refusing to call would make an
// outage of what may be our misjudgement. Without clock, random or network.

import { type Load, lighterOfTwo } from "./balance.ts";

export type EndpointState = "healthy" | "ejected" | "not_serving";

export type Candidate = Load & { readonly state: EndpointState };

export function chooseEndpoint<E extends Candidate>(
  endpoints: readonly E[],
  met: ReadonlySet<E>,
  now: number,
  random: () => number,
): E | undefined {
  if (endpoints.length < 2) return endpoints[0];
  const well = endpoints.filter(isWell);
  const candidates = well.length > 0 ? well : endpoints;
  const fresh = met.size === 0 ? candidates : candidates.filter((endpoint) => !met.has(endpoint));
  return lighterOfTwo(fresh.length > 0 ? fresh : candidates, now, random);
}

/** There is one that is well and that the call has not met. */
export function isThereAnother<E extends Candidate>(
  endpoints: readonly E[],
  met: ReadonlySet<E>,
): boolean {
  return endpoints.some((endpoint) => isWell(endpoint) && !met.has(endpoint));
}

function isWell({ state }: Candidate): boolean {
  return state === "healthy";
}
