// What a filter may not be, told from its syntax alone: too large, about names and
// functions that do not exist, no yes or no, or slower than the body is long.

import type { parse } from "@bufbuild/cel";
import { matcherOf } from "#mesh/policy/pattern.ts";

type Expr = ReturnType<typeof parse>["expr"];
type Comprehension = Extract<Expr["exprKind"], { case: "comprehensionExpr" }>["value"];

/** Nodes of the syntax tree; macros count as what they stand for. */
export const nodesMax = 512;
const variables = ["event", "type", "id", "provider"] as const;

/** Undefined when there is nothing wrong with it. */
export function checkExpression(
  expr: Expr,
  isFunction: (name: string) => boolean,
): string | undefined {
  let nodes = 0;
  const problems: string[] = [];
  const visit = (node: Expr | undefined, scope: Scope) => {
    if (!node || problems.length > 0) return;
    nodes += 1;
    if (nodes > nodesMax) problems.push(`has more than ${nodesMax} parts`);
    const problem = problemOf(node, scope, isFunction);
    if (problem) problems.push(problem);
    for (const [child, childScope] of childrenOf(node, scope)) visit(child, childScope);
  };
  visit(expr, { names: variables, list: "event", around: [] });
  return problems[0] ?? (mayBeBoolean(expr) ? undefined : "is not true or false");
}

type Scope = {
  /** Names that can be used here. */
  readonly names: readonly string[];
  /** The one whose lists may be gone through. */
  readonly list: string;
  /** Names of any size that stay the same for every element of a list. */
  readonly around: readonly string[];
};

function problemOf(
  expr: Expr,
  { names, list, around }: Scope,
  isFunction: (name: string) => boolean,
): string | undefined {
  const { exprKind } = expr;
  if (readsAnew(expr, around)) {
    return `looks at more than a value of ${around.at(-1)} for each element: that could take forever`;
  }
  switch (exprKind.case) {
    case "identExpr": {
      const { name } = exprKind.value;
      if (names.includes(name)) return undefined;
      return `names ${name}, which is none of ${variables.join(", ")}`;
    }
    case "callExpr": {
      const { function: name, args } = exprKind.value;
      if (name === "matches" && !args.every(isReadablePattern)) {
        return "has a pattern that cannot be read";
      }
      return isFunction(name) || name in builtIn
        ? undefined
        : `calls ${name}, which is no function`;
    }
    case "comprehensionExpr": {
      // So each element is visited once, and `readsAnew` bounds what is done with it.
      if (rootOf(exprKind.value.iterRange) === list) return undefined;
      return `goes through something else than a list of ${list}: that could take forever`;
    }
    case "structExpr":
      return exprKind.value.messageName === "" ? undefined : "makes a message";
    default:
      return undefined;
  }
}

/** None of these takes longer than the smaller of its two sides is long. */
const comparisons = ["_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith", "@in"];
const logic = ["_&&_", "_||_", "!_", "@not_strictly_false", "_?_:_", "_[_]", "_[?_]", "_?._"];
const arithmetic = ["_-_", "_*_", "_/_", "_%_", "-_"];
const timeless = [...logic, ...arithmetic];

/** Whether the work for one element grows with what is around its list. */
function readsAnew({ exprKind }: Expr, around: readonly string[]): boolean {
  const named = (expr: Expr | undefined): boolean =>
    expr !== undefined && (isNamed(expr, around) || childExprsOf(expr).some(named));
  switch (exprKind.case) {
    case "callExpr": {
      const { function: name, target, args } = exprKind.value;
      const sides = [...(target ? [target] : []), ...args];
      const around = sides.filter(named);
      if (around.length === 0 || timeless.includes(name)) return false;
      const compared = comparisons.includes(name) && around.length === 1 && isValue(around[0]);
      return !compared || (name === "@in" && around[0] === args[1]);
    }
    case "listExpr":
      return exprKind.value.elements.some(named);
    case "structExpr":
      return exprKind.value.entries.some(({ value }) => named(value));
    default:
      return false;
  }
}

function isNamed({ exprKind }: Expr, names: readonly string[]): boolean {
  return exprKind.case === "identExpr" && names.includes(exprKind.value.name);
}

/** As it stands in the event, or a number made of it. */
function isValue(expr: Expr | undefined): boolean {
  const call = expr?.exprKind.case === "callExpr" ? expr.exprKind.value.function : "";
  return rootOf(expr) !== undefined || arithmetic.includes(call);
}

/** A pattern that comes out of the event is found out about when it is there. */
function isReadablePattern({ exprKind }: Expr): boolean {
  const constant = exprKind.case === "constExpr" ? exprKind.value.constantKind : undefined;
  if (constant?.case !== "stringValue") return true;
  try {
    matcherOf(constant.value);
    return true;
  } catch {
    return false;
  }
}

/** Resolved by the evaluator itself; true where the result is true or false. */
const builtIn: Readonly<Record<string, boolean>> = {
  "_&&_": true,
  "_||_": true,
  "!_": true,
  "@not_strictly_false": true,
  "_==_": true,
  "_!=_": true,
  "_<_": true,
  "_<=_": true,
  "_>_": true,
  "_>=_": true,
  "@in": true,
  "_?_:_": false,
  "_[_]": false,
  "_[?_]": false,
  "_?._": false,
};

const booleanFunctions = ["startsWith", "endsWith", "contains", "matches", "bool", "dyn"];

/** The name that a path of members and positions begins with; undefined for anything else. */
function rootOf(expr: Expr | undefined): string | undefined {
  const kind = expr?.exprKind;
  if (kind?.case === "identExpr") return kind.value.name;
  if (kind?.case === "selectExpr") return rootOf(kind.value.operand);
  if (kind?.case === "callExpr" && kind.value.function === "_[_]")
    return rootOf(kind.value.args[0]);
  return undefined;
}

function childrenOf({ exprKind }: Expr, scope: Scope): [Expr | undefined, Scope][] {
  const here = (children: readonly (Expr | undefined)[]): [Expr | undefined, Scope][] =>
    children.map((child) => [child, scope]);
  switch (exprKind.case) {
    case "selectExpr":
      return here([exprKind.value.operand]);
    case "callExpr":
      return here([exprKind.value.target, ...exprKind.value.args]);
    case "listExpr":
      return here(exprKind.value.elements);
    case "structExpr":
      return here(
        exprKind.value.entries.flatMap(({ keyKind, value }) => [
          keyKind.case === "mapKey" ? keyKind.value : undefined,
          value,
        ]),
      );
    case "comprehensionExpr":
      return childrenOfMacro(exprKind.value, scope);
    default:
      return [];
  }
}

function childrenOfMacro(
  { iterRange, accuInit, loopCondition, loopStep, result, iterVar, accuVar }: Comprehension,
  scope: Scope,
): [Expr | undefined, Scope][] {
  const inside = {
    names: [...scope.names, iterVar, accuVar],
    list: iterVar,
    around: [...scope.around, scope.list].filter((name) => name !== iterVar),
  };
  return [
    [iterRange, scope],
    [accuInit, scope],
    [loopCondition, inside],
    [loopStep, inside],
    [result, inside],
  ];
}

const nowhere: Scope = { names: [], list: "", around: [] };

function childExprsOf(expr: Expr): (Expr | undefined)[] {
  return childrenOf(expr, nowhere).map(([child]) => child);
}

/** What comes out of the event itself may be anything: that is found out when it is there. */
function mayBeBoolean(expr: Expr | undefined): boolean {
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case "constExpr":
      return kind.value.constantKind.case === "boolValue";
    case "identExpr":
      return false;
    case "selectExpr":
      return true;
    case "callExpr": {
      const { function: name, args } = kind.value;
      if (name === "_?_:_") return mayBeBoolean(args[1]) && mayBeBoolean(args[2]);
      return (name in builtIn && name !== "_?_:_") || booleanFunctions.includes(name);
    }
    case "comprehensionExpr":
      return kind.value.accuInit?.exprKind.case !== "listExpr";
    default:
      return false;
  }
}
