// Chooses batches: mostly plain transactions, some keys twice, and link groups, of which some fall.

import type { Chance } from "../chance.ts";
import { lonePosts, type Memory } from "./memory.ts";
import type { Post } from "./operations.ts";
import { type Now, nextPost } from "./requests.ts";

export function nextBatch(chance: Chance, memory: Memory, now: Now): Post[] {
  const size = chance.below(4) === 0 ? 1 + chance.below(20) : 60 + chance.below(160);
  const batch = Array.from({ length: size }, () => nextPost(chance, memory, now));
  if (chance.below(3) === 0) {
    // The same again within one batch, and an earlier one.
    batch.push(chance.pick(batch));
    const before = lonePosts(memory);
    if (before.length > 0) batch.push(chance.pick(before));
  }
  for (let groups = chance.below(4); groups > 0; groups--) link(chance, memory, batch, now);
  return batch;
}

export function nextStream(chance: Chance, memory: Memory, now: Now): Post[] {
  return Array.from({ length: 20 + chance.below(120) }, () => nextPost(chance, memory, now));
}

/** Adds a link group, its requests anywhere in the batch. */
function link(chance: Chance, memory: Memory, batch: Post[], now: Now): void {
  memory.next += 1;
  const group = `group-${memory.next}`;
  for (let count = 2 + chance.below(4); count > 0; count--) {
    const post = { ...nextPost(chance, memory, now), group };
    memory.next += 1;
    const linked = { ...post, key: `linked-${memory.next}` };
    batch.splice(chance.below(batch.length + 1), 0, linked);
  }
}
