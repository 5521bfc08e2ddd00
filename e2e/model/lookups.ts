// Chooses what to read: the present, and the past along both axes.

import type { Chance } from "../chance.ts";
import type { Read } from "./judge.ts";
import { lonePosts, type Memory } from "./memory.ts";
import type { AsOf, Key, Post } from "./operations.ts";
import * as pools from "./pools.ts";
import * as now from "./reads-now.ts";
import * as past from "./reads-past.ts";
import { type Now, nextPost } from "./requests.ts";
import { readSimulation } from "./simulation.ts";

export function nextRead(chance: Chance, memory: Memory, clock: Now): Read {
  const { ledgerId } = memory;
  const asset = pools.assetOf(chance);
  const known = pools.accountIn(chance, asset);
  const account: Key = chance.below(40) === 0 ? pools.strange(chance) : known;
  const asOf = asOfIn(chance, memory, clock);
  switch (chance.below(16)) {
    case 0:
    case 1:
    case 2: {
      const beyond = chance.below(4) === 0 ? 1_000_000n : 0n;
      return now.readBalance(ledgerId, account, memory.seen + beyond);
    }
    case 3: {
      const hold = memory.holds.length > 0 && chance.below(20) > 0 && chance.pick(memory.holds);
      return now.readHold(ledgerId, hold ? hold.sequence : memory.seen + 1_000_000n);
    }
    case 4:
      return now.readAccount(ledgerId, account);
    case 5: {
      const one = memory.transactions.length > 0 && chance.pick(memory.transactions);
      return now.readTransaction(ledgerId, one ? one.sequence : memory.seen + 1_000_000n);
    }
    case 6:
      return now.readNoted(ledgerId, pools.reference(chance));
    case 7:
    case 8:
    case 9:
      return past.readPastBalance(ledgerId, account, asOf);
    case 10:
      return past.readPastEntries(ledgerId, known, asOf);
    case 11: {
      const prefix = chance.pick(["", "assets", "liabilities:wallets", "assets:cash", "income"]);
      const of = { prefix, depth: chance.below(3), asset: chance.pick(["", "USD"]), asOf };
      return past.readAggregate(ledgerId, of);
    }
    case 12:
      return past.readPastTrial(ledgerId, asOf);
    case 13:
      return past.readExplained(ledgerId, known, asOf);
    default:
      return readSimulation(ledgerId, simulated(chance, memory, clock));
  }
}

/** A sequence that was seen, so that nothing can change what is read. */
function asOfIn(chance: Chance, memory: Memory, clock: Now): AsOf {
  const back = BigInt(chance.below(Number(memory.seen > 2_000n ? 2_000n : memory.seen) + 1));
  const sequence = chance.below(3) === 0 ? memory.seen : memory.seen - back;
  const whenever = pools.timeIn(chance, clock() - 40n * pools.day, 45n * pools.day);
  return { effective: chance.below(3) === 0 ? undefined : whenever, sequence: sequence || 1n };
}

function simulated(chance: Chance, memory: Memory, clock: Now): Post {
  const posts = lonePosts(memory);
  if (posts.length > 0 && chance.below(4) === 0) return chance.pick(posts);
  memory.next += 1;
  return { ...nextPost(chance, memory, clock), key: `simulated-${memory.next}` };
}
