// Waits for what happens behind an answer that was already given.

import { setTimeout as sleep } from "node:timers/promises";

/** Asks until `check` returns something; undefined after the time is up, so that the caller judges. */
export async function eventually<T>(
  check: () => Promise<T | undefined>,
  timeoutMs = 20_000,
): Promise<T | undefined> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined || performance.now() > deadline) return found;
    await sleep(20);
  }
}
