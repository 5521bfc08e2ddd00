// Ids of payments, refunds, disputes and payouts name their provider and the
// account at it: `stripe/acct_1/pi_1`. Two accounts never share an id.

import { malformed } from "./outcome.ts";
import { type Payload, shown } from "./payload.ts";

export type Scope = { readonly provider: string; readonly account: string };

const lengthMax = 255;

export function scopedId(scope: Scope, object: Payload, name: string): string {
  return optionalScopedId(scope, object, name) ?? missing(object, name);
}

/** The id under the first of these names that is there. */
export function firstScopedId(scope: Scope, object: Payload, names: readonly string[]): string {
  const name = names.find((candidate) => object.has(candidate));
  return name === undefined ? missing(object, names.join(" or ")) : scopedId(scope, object, name);
}

export function optionalScopedId(
  { provider, account }: Scope,
  object: Payload,
  name: string,
): string | undefined {
  const id = object.optionalText(name);
  if (id === undefined) return undefined;
  const scoped = `${provider}/${account}/${id}`;
  if (!/^[!-~]+$/.test(id) || scoped.length > lengthMax) {
    throw malformed(`${object.pathOf(name)} must be an id without spaces, got ${shown(id)}`);
  }
  return scoped;
}

function missing(object: Payload, name: string): never {
  throw malformed(`${object.pathOf(name)} is missing`);
}
