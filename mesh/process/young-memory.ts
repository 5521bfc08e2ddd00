// Nearly all that a start allocates stays. V8 takes that for load and lets the young generation grow
// to 20 MiB, which an idle process then holds: 2 MiB are enough until there are calls (measured, and
// with half a MiB, which it begins with, it collects so often that the start takes longer).

import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

const startBytes = 2 * 1024 * 1024;
const growthDefault = 2;

/** Code that is compiled now and kept fits later starts only while this is as it is then. */
export function holdYoungMemory(): void {
  // It grows when collections find that much is still in use: so it must be, for a moment.
  const used: unknown[] = [];
  while (youngBytes() < startBytes && used.length < 256) used.push(new Array(2_048).fill(0));
  setFlagsFromString("--semi-space-growth-factor=1");
}

export function letYoungMemoryGrow(): void {
  setFlagsFromString(`--semi-space-growth-factor=${growthDefault}`);
}

function youngBytes(): number {
  const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
  return young?.space_size ?? startBytes;
}
