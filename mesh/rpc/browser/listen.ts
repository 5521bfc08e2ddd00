// The second listener of a server, for browsers, where one is configured: it opens after the first
// and stops together with it.

import { type Listener, listen } from "../listener.ts";
import type { BrowserConfig } from "./config.ts";
import { type BrowserOptions, createBrowserHandle } from "./handle.ts";

export type BrowserListener = Listener & {
  /** Undefined: nobody listens for browsers. */
  readonly browserPort: number | undefined;
};

export async function listenForBrowsers(
  mesh: Listener,
  config: BrowserConfig | undefined,
  options: Omit<BrowserOptions, "origins">,
): Promise<BrowserListener> {
  if (config === undefined) return { ...mesh, browserPort: undefined };
  const { log, metrics } = options;
  const { origins } = config;
  const handle = createBrowserHandle({ ...options, origins });
  const browsers = await listen({ ...config, log, metrics, handle }).catch(async (error) => {
    await mesh.drain(0);
    await mesh.destroy();
    throw error;
  });
  log.info("serving browsers", { host: config.host, port: browsers.port, origins });
  const both = [mesh, browsers];
  return {
    port: mesh.port,
    browserPort: browsers.port,
    async drain(timeoutMs) {
      const answered = await Promise.all(both.map((listener) => listener.drain(timeoutMs)));
      return answered.every(Boolean);
    },
    async destroy() {
      await Promise.all(both.map((listener) => listener.destroy()));
    },
  };
}
