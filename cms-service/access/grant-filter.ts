// What a list of grants can be filtered by: `field = "value"`, several with AND between them, and
// for times `<` and `>=` as well.

import type { Pool } from "#mesh/database/pool.ts";
import type { Sql } from "#mesh/database/sql.ts";
import { refused } from "../requests/refusal.ts";

const names = [
  ...(["learner_id", "course_id", "source", "source_id", "order_id", "payment_id"] as const),
  ...(["state", "create_time", "expire_time"] as const),
];
type Name = (typeof names)[number];

const times: ReadonlySet<string> = new Set<Name>(["create_time", "expire_time"]);
const values: Partial<Record<Name, readonly string[]>> = {
  source: ["payment", "manual", "coupon", "cohort", "gift"],
  state: ["active", "suspended", "revoked", "void", "expired"],
};
const termsMax = 10;
const term = /\s*([a-z_]+)\s*(=|<|>=)\s*"((?:[^"\\]|\\["\\])*)"\s*(AND\b|$)/y;

/** A condition on the table under the name `g`. */
export function grantFilter(pool: Pool, text: string) {
  let condition = pool`true`;
  if (text.trim() === "") return condition;
  let place = 0;
  for (let count = 1; place < text.length; count++) {
    term.lastIndex = place;
    const found = term.exec(text);
    if (!found || count > termsMax) throw invalid(text, place);
    const [, name = "", operator = "", quoted = "", and] = found;
    const value = quoted.replaceAll(/\\(["\\])/g, "$1");
    const next = conditionOf(pool, { name, operator, value });
    if (next === undefined) throw invalid(text, place);
    condition = pool`${condition} and ${next}`;
    place = term.lastIndex;
    if (and === "AND" && text.slice(place).trim() === "") throw invalid(text, place);
  }
  return condition;
}

type Term = { readonly name: string; readonly operator: string; readonly value: string };

function conditionOf(pool: Sql, { name, operator, value }: Term) {
  if (!names.includes(name as Name)) return undefined;
  const known = values[name as Name];
  if (known && !known.includes(value)) return undefined;
  if (times.has(name)) {
    const time = new Date(value);
    if (Number.isNaN(time.getTime()) || !/^\d{4}-\d\d-\d\dT/.test(value)) return undefined;
    const column = name === "create_time" ? pool`g.create_time` : pool`g.expire_time`;
    if (operator === "<") return pool`${column} < ${time}`;
    return operator === ">=" ? pool`${column} >= ${time}` : pool`${column} = ${time}`;
  }
  if (operator !== "=") return undefined;
  // What ran out is expired from that moment on, as it is shown.
  if (name === "state") {
    return pool`case when g.state in ('active', 'suspended') and g.expire_time <= now()
      then 'expired' else g.state end = ${value}`;
  }
  return pool`g.${pool(name)} = ${value}`;
}

function invalid(text: string, place: number) {
  const fields = names.map((name) =>
    values[name] ? `${name} (${values[name].join(", ")})` : name,
  );
  const form = 'what stands there is no `field = "value"` of at most 10 with AND between them';
  const rest = JSON.stringify(text.slice(place, place + 40));
  const message = `filter, at ${place + 1}, ${rest}: ${form}; the fields are ${fields.join(", ")}`;
  return refused("FILTER_INVALID", message);
}
