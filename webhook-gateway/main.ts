// The webhook gateway as a process.

import { logLevels } from "#mesh/process/config.ts";
import { createLog } from "#mesh/process/log.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { service, startGateway } from "./app.ts";
import { readConfig } from "./config.ts";

const { env } = process;
const level = logLevels.find((known) => known === env["LOG_LEVEL"]) ?? "info";
const log = createLog({ service, level });

await runUntilSignal(log, async () => startGateway(readConfig(env), env, log));
