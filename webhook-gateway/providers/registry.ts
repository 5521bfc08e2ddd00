// Every provider by its name in an endpoint's configuration. A new one is a file
// beside this one, its message in endpoint.proto, and a line here.

import type { EndpointConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createGenericHmac } from "./generic-hmac.ts";
import type { Provider } from "./provider.ts";
import { standardWebhooks } from "./standard-webhooks.ts";
import { stripe } from "./stripe.ts";

type Configured = EndpointConfig["provider"];
export type ProviderCase = NonNullable<Configured["case"]>;
type ConfigOf<C extends ProviderCase> = Extract<Configured, { case: C }>["value"];
/** Each with the field it is about, from the provider's message on. */
export type Problems = { readonly problems: readonly string[] };

const creators: { readonly [C in ProviderCase]?: (config: ConfigOf<C>) => Provider | Problems } = {
  stripe: () => stripe,
  standardWebhooks: () => standardWebhooks,
  genericHmac: createGenericHmac,
};

/** The provider, or everything that is wrong with its configuration. */
export function createProvider(configured: Configured): Provider | Problems {
  if (configured.case === undefined) return { problems: [] };
  const create = creators[configured.case] as
    | ((config: Configured["value"]) => Provider | Problems)
    | undefined;
  return create?.(configured.value) ?? { problems: ["is not supported"] };
}
