// Asks a provider's API one question: only on hosts that are listed here, following no redirect,
// within a time and a size. What comes back is the bytes, or the kind of failure; no message of
// this file repeats a credential or an answer.

import type { FetchBack } from "../endpoints/fetch-back.ts";
import type { Provider } from "../providers/provider.ts";

export type Answer =
  | { readonly kind: "answered"; readonly body: Uint8Array }
  /** There is no such thing there. */
  | { readonly kind: "unknown" }
  /** The credentials are wrong. */
  | { readonly kind: "denied"; readonly problem: string }
  | { readonly kind: "failed"; readonly problem: string };

/** Whom the gateway asks about webhooks; it speaks to nobody else from here. */
const hosts: ReadonlySet<string> = new Set([
  "https://api-m.paypal.com",
  "https://api-m.sandbox.paypal.com",
  "https://api.mollie.com",
  "https://api.mercadopago.com",
]);
const loopback = /^https?:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/;

export const answerBytesMax = 1024 ** 2;
const tokenBytesMax = 65_536;
/** A token is renewed this much before it ends. */
const tokenMarginMs = 60_000;

export type Asking = {
  readonly provider: Pick<Provider, "name" | "apiOrigin">;
  readonly fetchBack: FetchBack;
  readonly path: string;
};

export type Ask = (asking: Asking) => Promise<Answer>;

export type AskOptions = { readonly timeoutMs: number; readonly now: () => Date };

export function createAsk({ timeoutMs, now }: AskOptions): Ask {
  // By credentials: a changed secret is another one.
  const tokens = new Map<string, Token>();

  async function bearerOf(origin: string, asking: Asking): Promise<string | Answer> {
    const { clientId, apiKey } = asking.fetchBack;
    if (asking.provider.name !== "paypal") return apiKey;
    const name = `${origin}\n${clientId}\n${apiKey}`;
    const known = tokens.get(name);
    if (known && now().getTime() < known.untilMs) return known.text;
    tokens.clear();
    const answer = await send(`${origin}/v1/oauth2/token`, tokenBytesMax, {
      method: "POST",
      headers: {
        authorization: `Basic ${Buffer.from(`${clientId}:${apiKey}`).toString("base64")}`,
        "content-type": "application/x-www-form-urlencoded",
      },
      body: "grant_type=client_credentials",
    });
    if (answer.kind === "unknown") return { kind: "failed", problem: "there are no tokens there" };
    if (answer.kind !== "answered") return answer;
    const token = parseToken(answer.body, now());
    if (!token) return { kind: "failed", problem: "the token's answer cannot be read" };
    tokens.set(name, token);
    return token.text;
  }

  async function send(url: string, bytesMax: number, init: RequestInit): Promise<Answer> {
    try {
      const response = await fetch(url, {
        ...init,
        redirect: "manual",
        signal: AbortSignal.timeout(timeoutMs),
      });
      return await read(response, bytesMax);
    } catch (error) {
      return { kind: "failed", problem: faultOf(error) };
    }
  }

  return async (asking) => {
    const origin = originOf(asking);
    const bearer = await bearerOf(origin, asking);
    if (typeof bearer !== "string") return bearer;
    const answer = await send(`${origin}${asking.path}`, answerBytesMax, {
      headers: { authorization: `Bearer ${bearer}`, accept: "application/json" },
    });
    // A token may be taken back before its time.
    if (answer.kind === "denied") tokens.clear();
    return answer;
  };
}

function originOf({ provider, fetchBack }: Asking): string {
  const { apiBaseUrl } = fetchBack;
  const origin = apiBaseUrl || provider.apiOrigin || "";
  const allowed = apiBaseUrl ? loopback.test(apiBaseUrl) : hosts.has(origin);
  if (!allowed) throw new Error(`${provider.name} is not asked at ${origin}: it is not listed`);
  return origin;
}

async function read(response: Response, bytesMax: number): Promise<Answer> {
  const { status } = response;
  if (status !== 200) {
    await response.body?.cancel();
    if (status === 404 || status === 410) return { kind: "unknown" };
    const problem = `it was answered ${status}`;
    return { kind: status === 401 || status === 403 ? "denied" : "failed", problem };
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax)
      return { kind: "failed", problem: `the answer is over ${bytesMax} bytes` };
    chunks.push(chunk);
  }
  return { kind: "answered", body: Buffer.concat(chunks) };
}

function faultOf(error: unknown): string {
  const { name, cause } = error as Error;
  if (name === "TimeoutError") return "it was not answered in time";
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return `it cannot be reached (${code ?? name})`;
}

type Token = { readonly text: string; readonly untilMs: number };

function parseToken(body: Uint8Array, now: Date): Token | undefined {
  try {
    const { access_token: text, expires_in: seconds } = JSON.parse(Buffer.from(body).toString());
    if (typeof text !== "string" || !/^[!-~]{1,8192}$/.test(text)) return undefined;
    const lifeMs = typeof seconds === "number" && seconds > 0 ? seconds * 1_000 : 0;
    return { text, untilMs: now.getTime() + Math.min(lifeMs, 86_400_000) - tokenMarginMs };
  } catch {
    return undefined;
  }
}
