// One small text over HTTPS: no redirects, no proxies, a bound on size and on time.

import { Agent, request } from "node:https";

export type Fetched =
  | { readonly text: string }
  | { readonly problem: "refused" | "unreachable"; readonly detail: string };

const bytesMax = 65_536;
const timeoutMs = 3_000;

export async function fetchText(
  url: URL,
  tls: { readonly ca: string } | undefined,
): Promise<Fetched> {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 0 });
  const { promise, resolve, reject } = Promise.withResolvers<Fetched>();
  const asked = request(url, {
    agent,
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: "application/x-pem-file, */*" },
    ...tls,
  });
  asked.on("error", reject);
  asked.on("response", async (response) => {
    try {
      resolve(await read(response.statusCode ?? 0, response));
    } catch (error) {
      reject(error);
    } finally {
      asked.destroy();
    }
  });
  asked.end();
  try {
    return await promise;
  } catch (error) {
    const { code = "no answer" } = error as NodeJS.ErrnoException;
    return { problem: "unreachable", detail: String(code) };
  } finally {
    agent.destroy();
  }
}

async function read(status: number, body: AsyncIterable<Buffer>): Promise<Fetched> {
  // Of a provider that is at fault or asks for patience nothing follows about the certificate.
  if (status === 429 || status >= 500) {
    return { problem: "unreachable", detail: `it was answered ${status}` };
  }
  if (status !== 200) return { problem: "refused", detail: `it was answered ${status}` };
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax)
      return { problem: "refused", detail: `it is larger than ${bytesMax} bytes` };
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString("latin1") };
}
