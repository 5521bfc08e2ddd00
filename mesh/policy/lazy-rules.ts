// The standard rules of protovalidate are written in CEL, and its validator parses all of them for
// a kind of field as soon as one field of that kind has a rule, though its native code then answers
// nearly every one. Here an expression is parsed by the first message that needs it: 60 ms of CPU
// less in every start (measured). Where the library has changed inside, all is as without this file.

type Compiled = {
  readonly kind: "interpretable" | "compilation_error";
  readonly interpretable?: unknown;
  readonly error?: unknown;
  readonly rule?: unknown;
};

type Manager = {
  compileRule(rule: unknown): Compiled;
  compileRulesUncached(rules: unknown): unknown;
};

// No public way leads there, and the version is pinned: a test tells when it leads nowhere.
const address = new URL("cel.js", import.meta.resolve("@bufbuild/protovalidate")).href;
const { CelManager } = await import(address).catch(() => ({}));
const manager: Manager | undefined = CelManager?.prototype;

/** False where the library has changed and parses everything at once. */
export const rulesAreLazy = typeof manager?.compileRulesUncached === "function";

if (manager !== undefined && rulesAreLazy) {
  const compileAll = manager.compileRulesUncached;
  manager.compileRulesUncached = function (this: Manager, rules) {
    const compileRule = (rule: unknown) => compiledLater(() => this.compileRule(rule));
    return compileAll.call(Object.create(this, { compileRule: { value: compileRule } }), rules);
  };
}

/** A rule that does not parse is told by the message that needs it, as before. */
function compiledLater(compile: () => Compiled): Compiled {
  let compiled: Compiled | undefined;
  const now = () => {
    compiled ??= compile();
    return compiled;
  };
  return {
    get kind() {
      return now().kind;
    },
    get interpretable() {
      return now().interpretable;
    },
    get error() {
      return now().error;
    },
    get rule() {
      return now().rule;
    },
  };
}
