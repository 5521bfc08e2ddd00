// The first thing that the process of a service does, and all that its `main.ts` imports by itself:
// what makes a start fast must be there before the rest is loaded.

import { keepCompiled, writeCompiled } from "./compile-cache.ts";
import { holdYoungMemory, letYoungMemoryGrow } from "./young-memory.ts";

/** After the first calls of a service that was waited for. */
const settledAfterMs = 1_000;

/** Loads the service, and runs it until it is asked to stop. */
export async function startProcess(load: () => Promise<{ run(): Promise<void> }>): Promise<void> {
  beginStart();
  const { run } = await load();
  await run();
}

export function beginStart(): void {
  holdYoungMemory();
  keepCompiled();
}

/** Once the service serves. */
export function endStart(): void {
  setTimeout(() => {
    // In this order: V8 takes compiled code only under the flags that it was written under.
    writeCompiled();
    letYoungMemoryGrow();
  }, settledAfterMs).unref();
}
