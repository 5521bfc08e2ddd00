// Starts the ledger service and stops it when it is asked to.

import { createLog } from "#mesh/process/log.ts";
import { runUntilSignal } from "#mesh/process/run.ts";
import { service, startLedger } from "./app.ts";
import { readConfig } from "./config.ts";

const log = createLog({ service, level: process.env["LOG_LEVEL"] || "info" });

await runUntilSignal(log, () => startLedger(readConfig(process.env), log));
