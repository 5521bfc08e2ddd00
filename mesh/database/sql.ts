// SQL that looks like SQL: a template whose values become parameters. A template inside another is
// a part of its text, and nothing is sent before somebody awaits it.

import { escapeIdentifier } from "pg";
import { type Parameter, parameterOf, type Value } from "./parameters.ts";
import { type AnyRow, type Run, Statement } from "./statement.ts";

/** A statement as it is sent. One that has a name is prepared once a connection. */
export type Query = {
  readonly text: string;
  readonly parameters: readonly Parameter[];
  readonly name?: string | undefined;
};

export class Identifier {
  readonly text: string;

  constructor(name: string) {
    this.text = escapeIdentifier(name);
  }
}

type Part = Value | Identifier | Statement<readonly object[]>;

export type Sql = {
  <R extends readonly object[] = AnyRow[]>(
    template: TemplateStringsArray,
    ...values: readonly Part[]
  ): Statement<R>;
  /** The name of a table, a column, a database. */
  (identifier: string): Identifier;
  /** Text that no stranger has written; several statements, where it has no parameters. */
  unsafe<R extends readonly object[] = AnyRow[]>(
    text: string,
    parameters?: readonly Value[],
  ): Statement<R>;
};

export function createSql(run: Run): Sql {
  const sql = (first: TemplateStringsArray | string, ...values: readonly Part[]) => {
    if (typeof first === "string") return new Identifier(first);
    return new Statement(run, new Template(first, values));
  };
  const unsafe = (text: string, parameters: readonly Value[] = []) => {
    return new Statement(run, { query: () => ({ text, parameters: parameters.map(parameterOf) }) });
  };
  return Object.assign(sql, { unsafe }) as Sql;
}

/** Most texts that are prepared; a service has some hundred. */
const namesMax = 1_000;
const nameOfText = new Map<string, string>();
/** Templates of which each value is a parameter: their text is always the same. */
const plainTexts = new WeakMap<TemplateStringsArray, string>();

export class Template {
  readonly #strings: TemplateStringsArray;
  readonly #values: readonly Part[];

  constructor(strings: TemplateStringsArray, values: readonly Part[]) {
    this.#strings = strings;
    this.#values = values;
  }

  query(): Query {
    const parameters: Parameter[] = [];
    const known = plainTexts.get(this.#strings);
    if (known !== undefined && !this.#values.some(isText)) {
      for (const value of this.#values) parameters.push(parameterOf(value));
      return { text: known, parameters, name: nameOf(known) };
    }
    const text = this.textWith(parameters);
    if (!this.#values.some(isText)) plainTexts.set(this.#strings, text);
    // A name in the text makes it one of very many, and hardly ever sent again.
    const once = this.#values.some((value) => value instanceof Identifier);
    return { text, parameters, name: once ? undefined : nameOf(text) };
  }

  /** Adds the values of this template to the parameters of the whole. */
  textWith(parameters: Parameter[]): string {
    let text = this.#strings[0] ?? "";
    for (const [place, value] of this.#values.entries()) {
      if (value instanceof Identifier) text += value.text;
      else if (value instanceof Statement) text += value.textWith(parameters);
      else text += `$${parameters.push(parameterOf(value))}`;
      text += this.#strings[place + 1];
    }
    return text;
  }
}

function isText(value: Part): boolean {
  return value instanceof Identifier || value instanceof Statement;
}

function nameOf(text: string): string | undefined {
  const known = nameOfText.get(text);
  if (known !== undefined || nameOfText.size === namesMax) return known;
  const name = `s${nameOfText.size + 1}`;
  nameOfText.set(text, name);
  return name;
}
