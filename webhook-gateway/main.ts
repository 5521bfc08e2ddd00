// The webhook gateway as a process.

import { startProcess } from "#mesh/process/start.ts";

await startProcess(() => import("./app.ts"));
