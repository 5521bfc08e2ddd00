// A story told in the terminal whose every claim is checked as it is told.

import { bold, green, red } from "./terminal.ts";

export type Story = {
  chapter(title: string): void;
  tell(line: string): void;
  /** Prints the claim and whether it held; a claim that did not is remembered. */
  holds(claim: string, held: boolean): void;
  readonly held: number;
  readonly broken: readonly string[];
};

export function createStory(): Story {
  let chapters = 0;
  let held = 0;
  const broken: string[] = [];
  return {
    chapter(title) {
      chapters += 1;
      console.log(`\n${bold(`${chapters}. ${title}`)}`);
    },
    tell: (line) => console.log(`   ${line}`),
    holds(claim, isTrue) {
      if (isTrue) held += 1;
      else broken.push(claim);
      console.log(`   ${isTrue ? green("✓") : red("✗")} ${claim}`);
    },
    get held() {
      return held;
    },
    broken,
  };
}
