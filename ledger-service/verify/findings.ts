// What a verification finds: where a table and the journal part, each a sentence with both values.

export type Projection =
  | "chain"
  | "journal"
  | "account"
  | "asset"
  | "entry"
  | "transaction"
  | "hold"
  | "payment"
  | "key"
  | "period"
  | "suspense"
  | "note";

export type Divergence = {
  readonly projection: Projection;
  /** Of the fact at fault; zero when it is none of a fact. */
  readonly sequence: bigint;
  readonly problem: string;
};

export type Findings = {
  add(projection: Projection, sequence: bigint, problem: string): void;
  /** As many as were asked for. */
  enough(): boolean;
  /** In the order of the facts; what is none of a fact comes last. */
  sorted(): readonly Divergence[];
};

/** What one step finds beyond what was asked for is kept, up to this many, to tell the first of it. */
const keptMax = 1_000;

export function createFindings(asked: number): Findings {
  const found: Divergence[] = [];
  return {
    add(projection, sequence, problem) {
      if (found.length < keptMax) found.push({ projection, sequence, problem });
    },
    enough: () => found.length >= asked,
    sorted: () => found.toSorted(byFact).slice(0, asked),
  };
}

function byFact({ sequence: a }: Divergence, { sequence: b }: Divergence): number {
  if (a === b) return 0;
  if (a === 0n || b === 0n) return a === 0n ? 1 : -1;
  return a < b ? -1 : 1;
}

type Value = string | bigint | number | boolean | null;

/** By the names of its columns; times are microseconds of the Unix epoch. */
export type Row = Readonly<Record<string, Value>>;

export type Subject = {
  readonly projection: Projection;
  readonly sequence: bigint;
  /** As in `entry 5 of assets:cash USD`. */
  readonly name: string;
};

/** Columns that the journal says nothing about are not looked at. */
export function compareRow(
  findings: Findings,
  { projection, sequence, name }: Subject,
  expected: Row,
  stored: Row | undefined,
): void {
  if (stored === undefined) {
    findings.add(projection, sequence, `${name} is missing in its table; ${says(expected)}`);
    return;
  }
  const columns = Object.keys(expected).filter((column) => expected[column] !== stored[column]);
  if (columns.length === 0) return;
  const parts = columns.map((column) => {
    return `${column} is ${stored[column]} in its table, but ${expected[column]} by the journal`;
  });
  findings.add(projection, sequence, `${name}: ${parts.join("; ")}`);
}

function says(expected: Row): string {
  const parts = Object.entries(expected).map(([column, value]) => `${column} ${value}`);
  return `by the journal it is ${parts.join(", ")}`;
}
