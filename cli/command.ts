// What a command of `bursar` is, how it ends, and how it writes: text for
// people, or with `--json` one JSON document a line for programs.

import { type ParseArgsConfig, parseArgs } from "node:util";

/**
 * 0: done. 1: it was done and the answer is no. 2: asked wrongly. 3: somebody could not be
 * reached.
 */
export type ExitCode = 0 | 1 | 2 | 3;

export type Command = {
  /** One line for the list of commands. */
  readonly summary: string;
  /** Everything behind `bursar <command>`. */
  readonly usage: string;
  run(args: readonly string[], signal: AbortSignal): Promise<ExitCode>;
};

/** Asked wrongly, or by an unsound configuration: shown without a stack. */
export class Misuse extends Error {
  override name = "Misuse";
}

/** Somebody could not be reached, or did not answer. */
export class Unreachable extends Error {
  override name = "Unreachable";
}

/** The options and what stands beside them; anything else is a Misuse. */
export function readArgs<T extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: T,
) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new Misuse((error as Error).message);
  }
}

/** A whole number within bounds, or a Misuse that names the option. */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^[0-9]{1,15}$/.test(text) && value >= min && value <= max) return value;
  throw new Misuse(`--${name} must be a whole number from ${min} to ${max}, not ${text}`);
}

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One document a line; 64-bit numbers become text, so that no digit is lost. */
export function sayJson(value: unknown): void {
  say(JSON.stringify(value, (_, it) => (typeof it === "bigint" ? String(it) : it)));
}

/** Text of a provider must not steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}
