// A process that makes webhooks durable, says which are, and kills itself at the step it
// is told: node store-child.ts <url> <dir> <step> <after>

import { writeSync } from "node:fs";
import { openStoreWorld, testWebhook } from "./store-world.ts";

const [url = "", dir = "", step = "", after = "0"] = process.argv.slice(2);
let left = Number(after);
const reach = (name: string) => {
  if (name !== step) return;
  if (left === 0) process.kill(process.pid, "SIGKILL");
  left -= 1;
};

const { store, broker } = openStoreWorld({
  ...{ url, dir },
  onStored: () => reach("acknowledged by the broker"),
  onDrained: () => reach("drained and not deleted"),
});
if (!step.includes("spool")) await broker.waitUntilConnected(10_000);
for (let n = 0; n < 400; n += 1) {
  const id = `${process.pid}-${n}`;
  const storing = store([testWebhook(id)], { deadlineMs: 1_000, spool: true });
  reach("on its way to the broker");
  reach("on its way to the spool");
  const stored = await storing;
  if (stored.durable) reach(`durable in the ${stored.where}`);
  if (stored.durable) writeSync(1, `${id}\n`);
}
if (step === "drained and not deleted") setInterval(() => {}, 1_000);
else process.exit(0);
