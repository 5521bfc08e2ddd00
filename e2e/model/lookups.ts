// Chooses what to read: the present, and the past along both axes.

import type { Chance } from "../chance.ts";
import type { Memory } from "./memory.ts";
import type { AsOf, Key } from "./operations.ts";
import * as pools from "./pools.ts";
import * as reads from "./reads.ts";
import { type Now, nextPost } from "./requests.ts";

export function nextRead(chance: Chance, memory: Memory, now: Now): reads.Read {
  const { ledgerId } = memory;
  const asset = pools.assetOf(chance);
  const account: Key =
    chance.below(40) === 0 ? pools.strange(chance) : pools.accountIn(chance, asset);
  const asOf = asOfIn(chance, memory, now);
  switch (chance.below(12)) {
    case 0:
    case 1:
    case 2: {
      const beyond = chance.below(60) === 0 ? 1_000_000n : 0n;
      return reads.readBalance(ledgerId, account, memory.seen + beyond);
    }
    case 3: {
      const known = memory.holds.length > 0 && chance.below(20) > 0;
      const hold = known ? chance.pick(memory.holds).sequence : memory.seen + 1_000_000n;
      return reads.readHold(ledgerId, hold);
    }
    case 4:
    case 5:
    case 6:
      return reads.readPastBalance(ledgerId, account, asOf);
    case 7:
      return reads.readPastEntries(ledgerId, pools.accountIn(chance, asset), asOf);
    case 8: {
      const prefix = chance.pick(["", "assets", "liabilities:wallets", "assets:cash", "income"]);
      const of = { prefix, depth: chance.below(3), asset: chance.pick(["", "USD"]), asOf };
      return reads.readAggregate(ledgerId, of);
    }
    case 9:
      return reads.readPastTrial(ledgerId, asOf);
    default:
      return reads.readSimulation(ledgerId, simulated(chance, memory, now));
  }
}

/** A sequence that was seen, so that nothing can change what is read. */
function asOfIn(chance: Chance, memory: Memory, now: Now): AsOf {
  const back = BigInt(chance.below(Number(memory.seen > 2_000n ? 2_000n : memory.seen) + 1));
  const sequence = chance.below(3) === 0 ? memory.seen : memory.seen - back;
  const whenever = pools.timeIn(chance, now() - 40n * pools.day, 45n * pools.day);
  return { effective: chance.below(3) === 0 ? undefined : whenever, sequence: sequence || 1n };
}

function simulated(chance: Chance, memory: Memory, now: Now) {
  const posts = memory.asked.filter((asked) => asked.kind === "post" && asked.group === "");
  if (posts.length > 0 && chance.below(4) === 0) return chance.pick(posts) as never;
  memory.next += 1;
  return { ...nextPost(chance, memory, now), key: `simulated-${memory.next}` };
}
