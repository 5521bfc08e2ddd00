// A service as a process, from its declaration (start-service.ts). All that does the work is loaded
// by `runService`: what a declaration needs is little, and a start is fast from then on.

import { beginStart } from "../process/start.ts";
import type { ServiceDefinition } from "./service-definition.ts";

export { keep, on } from "./event-handler.ts";
export type { ServiceDefinition, ServiceParts } from "./service-definition.ts";

/** Until it is asked to stop. */
export async function runService(definition: ServiceDefinition): Promise<void> {
  beginStart();
  const { env } = process;
  const [{ startService }, { runUntilSignal }, { createServiceLog }] = await Promise.all([
    import("./start-service.ts"),
    import("../process/run.ts"),
    import("../process/service-log.ts"),
  ]);
  const log = createServiceLog(definition.service, env);
  await runUntilSignal(log, async () => startService(definition, env, log));
}
