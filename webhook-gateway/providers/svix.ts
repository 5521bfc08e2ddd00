// Svix: Standard Webhooks under names of its own, `svix-id` and so on. A sender may also have Svix
// write the standard's names, so both are read, but never mixed in one request.

import { createStandard, webhookHeaders } from "./standard-webhooks.ts";

const hourMs = 3_600_000;

export const svix = createStandard({
  name: "svix",
  scheme: "svix",
  headers: [{ id: "svix-id", time: "svix-timestamp", signature: "svix-signature" }, webhookHeaders],
  // Retries after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h more.
  patience: {
    timeoutMs: 15_000,
    retryHorizonMs: 27 * hourMs,
    disablesAfter: { failingMs: 120 * hourMs },
  },
});
