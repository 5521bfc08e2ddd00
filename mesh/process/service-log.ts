// The log of a service's process: at the level that the environment asks for, before the rest of
// the environment is looked at, so that what is wrong there is logged too.

import { type Env, logLevels } from "./config.ts";
import { createLog, type Log } from "./log.ts";

/** A level that nobody knows is `info`. */
export function createServiceLog(service: string, env: Env): Log {
  const level = logLevels.find((known) => known === env["LOG_LEVEL"]) ?? "info";
  return createLog({ service, level });
}
