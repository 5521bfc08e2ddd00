// The lists of cases that are known to fail, in the runner's own format: a
// pattern a line, comments after `#`. In ours every group of patterns stands
// under the reason for it and, after `#=`, under the words in which each of its
// cases fails: one that fails otherwise is not what was listed.

export type Listed = {
  readonly reason: string;
  /** Every line of the runner's complaint holds one of them. */
  readonly complaints: readonly string[];
  readonly patterns: readonly string[];
};

/** Groups are parted by empty lines; throws for patterns without a reason or without complaints. */
export function parseList(text: string): readonly Listed[] {
  return text
    .split(/\n\s*\n/)
    .map((group) => group.split("\n").map((line) => line.trim()))
    .map((lines) => ({
      reason: afterMark(lines, /^#(?!=)\s*(.*)$/).join(" "),
      complaints: afterMark(lines, /^#=\s*(.*)$/),
      patterns: lines.filter((line) => line !== "" && !line.startsWith("#")),
    }))
    .filter(({ patterns }) => patterns.length > 0)
    .map((listed) => {
      const missing = listed.reason === "" ? "reason" : "complaint";
      if (missing === "complaint" && listed.complaints.length > 0) return listed;
      throw new Error(`no ${missing} is given for ${listed.patterns.join(", ")}`);
    });
}

function afterMark(lines: readonly string[], mark: RegExp): readonly string[] {
  return lines.flatMap((line) => mark.exec(line)?.[1] ?? []);
}

/** As the runner reads patterns: `*` is one part of a name, `**` any number of them. */
export function matches(pattern: string, name: string): boolean {
  return matchParts(pattern.split("/"), name.split("/"));
}

function matchParts(pattern: readonly string[], name: readonly string[]): boolean {
  const [first, ...others] = pattern;
  if (first === undefined) return name.length === 0;
  if (first === "**") {
    return matchParts(others, name) || (name.length > 0 && matchParts(pattern, name.slice(1)));
  }
  const [part, ...rest] = name;
  return part !== undefined && (first === "*" || first === part) && matchParts(others, rest);
}
