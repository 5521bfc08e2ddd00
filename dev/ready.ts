// Asks a service whether it is ready, as a probe of an orchestrator would:
// over its mesh port, without a client certificate.

import { readFileSync } from "node:fs";
import { request } from "node:https";

export function isReady(url: string, caFile: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = request(
      url,
      { ca: readFileSync(caFile), agent: false, timeout: 2_000 },
      (reply) => {
        reply.resume();
        resolve(reply.statusCode === 200);
      },
    );
    asked.once("error", () => resolve(false));
    asked.once("timeout", () => asked.destroy());
    asked.end();
  });
}
