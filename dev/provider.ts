// Sends webhooks to the gateway as the providers do: signed by the providers'
// own packages, over HTTPS, and answers what came back and how fast.

import { createHmac } from "node:crypto";
import { Agent, request } from "node:https";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";

export type Answer = { readonly status: number; readonly body: string; readonly elapsedMs: number };

export type SignedRequest = {
  readonly body: string | Uint8Array;
  readonly headers: Record<string, string>;
};

/** Signed by Stripe's package; `at` moves the signature's clock. */
export function signAsStripe(event: object, secret: string, at = new Date()): SignedRequest {
  const body = JSON.stringify(event);
  const timestamp = Math.floor(at.getTime() / 1000);
  const signature = Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp });
  return { body, headers: { "content-type": "application/json", "stripe-signature": signature } };
}

/** Signed by the package of the Standard Webhooks project. */
export function signAsStandard(
  event: { readonly id: string; readonly payload: object },
  secret: string,
  at = new Date(),
): SignedRequest {
  const body = JSON.stringify(event.payload);
  return {
    body,
    headers: {
      "content-type": "application/json",
      "webhook-id": event.id,
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": new Webhook(secret).sign(event.id, at, body),
    },
  };
}

/** Signed as the demo's generic endpoint expects it. */
export function signAsGeneric(payload: object, secret: string, at = new Date()): SignedRequest {
  const body = JSON.stringify(payload);
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signature = createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex");
  return {
    body,
    headers: {
      "content-type": "application/json",
      "x-bursar-timestamp": timestamp,
      "x-bursar-signature": `sha256=${signature}`,
    },
  };
}

export type Sender = Disposable & {
  /** Rejects when no answer came: the outcome is then unknown, and a provider sends again. */
  post(url: string, signed: SignedRequest): Promise<Answer>;
};

export function openSender(options: {
  readonly ca: string;
  readonly timeoutMs?: number;
  readonly connectionsMax?: number;
}): Sender {
  const { ca, timeoutMs = 10_000, connectionsMax = 16 } = options;
  const agent = new Agent({ keepAlive: true, maxSockets: connectionsMax, ca });
  return {
    post: (url, signed) => post(agent, timeoutMs, url, signed),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function post(agent: Agent, timeoutMs: number, url: string, signed: SignedRequest) {
  return new Promise<Answer>((resolve, reject) => {
    const startMs = performance.now();
    const headers = { ...signed.headers, "content-length": Buffer.byteLength(signed.body) };
    const sent = request(url, { method: "POST", agent, headers, timeout: timeoutMs }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on("data", (chunk: Buffer) => chunks.push(chunk));
      reply.once("error", reject);
      reply.once("end", () => {
        const body = Buffer.concat(chunks).toString();
        resolve({ status: reply.statusCode ?? 0, body, elapsedMs: performance.now() - startMs });
      });
    });
    sent.once("timeout", () => sent.destroy(new Error(`no answer from ${url} in ${timeoutMs} ms`)));
    sent.once("error", reject);
    sent.end(signed.body);
  });
}
