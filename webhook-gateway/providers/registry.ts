// Every provider by its name in an endpoint's configuration. A new one is a file
// beside this one, its message in endpoint.proto, and a line here.

import type { EndpointConfig } from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { createAdyen } from "./adyen.ts";
import { createBraintree } from "./braintree.ts";
import { coinbase } from "./coinbase.ts";
import { createGenericHmac } from "./generic-hmac.ts";
import { github } from "./github.ts";
import { lemonSqueezy } from "./lemonsqueezy.ts";
import { mercadoPago } from "./mercadopago.ts";
import { createMollie } from "./mollie.ts";
import { paddle } from "./paddle.ts";
import { createPaypal } from "./paypal.ts";
import type { Provider } from "./provider.ts";
import { razorpay } from "./razorpay.ts";
import { shopify } from "./shopify.ts";
import { slack } from "./slack.ts";
import { createSquare } from "./square.ts";
import { standardWebhooks } from "./standard-webhooks.ts";
import { stripe } from "./stripe.ts";
import { svix } from "./svix.ts";
import { createTwilio } from "./twilio.ts";

type Configured = EndpointConfig["provider"];
export type ProviderCase = NonNullable<Configured["case"]>;
type ConfigOf<C extends ProviderCase> = Extract<Configured, { case: C }>["value"];
/** Each with the field it is about, from the provider's message on. */
export type Problems = { readonly problems: readonly string[] };

const creators: { readonly [C in ProviderCase]?: (config: ConfigOf<C>) => Provider | Problems } = {
  stripe: () => stripe,
  standardWebhooks: () => standardWebhooks,
  genericHmac: createGenericHmac,
  svix: () => svix,
  github: () => github,
  shopify: () => shopify,
  adyen: createAdyen,
  lemonSqueezy: () => lemonSqueezy,
  slack: () => slack,
  twilio: createTwilio,
  paypal: createPaypal,
  mollie: createMollie,
  mercadoPago: () => mercadoPago,
  paddle: () => paddle,
  square: createSquare,
  razorpay: () => razorpay,
  braintree: createBraintree,
  coinbase: () => coinbase,
};

/** The provider, or everything that is wrong with its configuration. */
export function createProvider(configured: Configured): Provider | Problems {
  if (configured.case === undefined) return { problems: [] };
  const create = creators[configured.case] as
    | ((config: Configured["value"]) => Provider | Problems)
    | undefined;
  return create?.(configured.value) ?? { problems: ["is not supported"] };
}
