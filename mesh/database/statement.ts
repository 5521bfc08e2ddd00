// One statement, sent when it is first awaited and not before, so that it can also become a part of
// another one.

import assert from "node:assert/strict";
import type { Parameter } from "./parameters.ts";
import type { Query } from "./sql.ts";

// biome-ignore lint/suspicious/noExplicitAny: who wants to be exact names the type of the rows.
export type AnyRow = Record<string, any>;

/** The rows, how many of them the statement read or wrote, and its kind, for example COMMIT. */
export type Rows<R> = R & { readonly count: number; readonly command: string };

export type Run = (query: Query) => Promise<Rows<AnyRow[]>>;

type Source = { query(): Query; textWith?(parameters: Parameter[]): string };

let cursorCount = 0;

export class Statement<R extends readonly object[]> implements Promise<Rows<R>> {
  readonly [Symbol.toStringTag] = "Statement";
  readonly #run: Run;
  readonly #source: Source;
  #sent: Promise<Rows<R>> | undefined;

  constructor(run: Run, source: Source) {
    this.#run = run;
    this.#source = source;
  }

  // biome-ignore lint/suspicious/noThenProperty: a statement is awaited.
  then<A = Rows<R>, B = never>(
    onRows?: ((rows: Rows<R>) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#send().then(onRows, onError);
  }

  catch<B = never>(
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<Rows<R> | B> {
    return this.#send().catch(onError);
  }

  finally(onEnd?: (() => void) | null): Promise<Rows<R>> {
    return this.#send().finally(onEnd);
  }

  /** As a part of a greater text. */
  textWith(parameters: Parameter[]): string {
    assert(this.#source.textWith, "only a template can be a part of another");
    return this.#source.textWith(parameters);
  }

  /** Some rows at a time; only within an SQL transaction, whose end closes it at the latest. */
  async *cursor(rowsMax: number): AsyncGenerator<R, void, undefined> {
    const name = `cursor_${cursorCount++}`;
    const { text, parameters } = this.#source.query();
    const run = (text: string) => this.#run({ text, parameters: [] });
    // All rows will be read: a plan that is quick to find the first ones would be the wrong one.
    await run("set local cursor_tuple_fraction = 1");
    await this.#run({ text: `declare ${name} no scroll cursor for ${text}`, parameters });
    for (;;) {
      const rows = await run(`fetch ${rowsMax} from ${name}`);
      if (rows.length > 0) yield rows as unknown as R;
      if (rows.length < rowsMax) break;
    }
    await run(`close ${name}`);
  }

  async #first(): Promise<Rows<R>> {
    return (await this.#run(this.#source.query())) as unknown as Rows<R>;
  }

  #send(): Promise<Rows<R>> {
    this.#sent ??= this.#first();
    return this.#sent;
  }
}
