// The template of a generic HMAC's signed content, such as `{timestamp}.{body}`.
// It is accepted only when the signed bytes can be cut back into their parts in
// one way, so that nobody moves bytes from the id into the body.

export type Part = "id" | "timestamp" | "body";

export type Template = {
  readonly parts: ReadonlySet<Part>;
  content(values: {
    readonly id: string;
    readonly timestamp: string;
    readonly body: Uint8Array;
  }): (string | Uint8Array)[];
  /** True when the id is printable and holds no character that borders it in the template. */
  idFits(id: string): boolean;
};

const placeholder = /\{(id|timestamp|body)\}/;
const printable = /^[!-~]{1,255}$/;

export function parseTemplate(text: string): Template | { readonly problem: string } {
  // Literal text at even places, names of parts at odd ones.
  const pieces = text.split(placeholder);
  const problem = templateProblem(pieces);
  if (problem) return { problem };
  const parts = new Set(pieces.filter((_, place) => place % 2 === 1) as Part[]);
  const borders = bordersOf(pieces, "id");
  return {
    parts,
    content: (values) =>
      pieces.map((piece, place) => (place % 2 === 1 ? values[piece as Part] : piece)),
    idFits: (id) => printable.test(id) && ![...borders].some((border) => id.includes(border)),
  };
}

function templateProblem(pieces: readonly string[]): string | undefined {
  const names = pieces.filter((_, place) => place % 2 === 1);
  const literals = pieces.filter((_, place) => place % 2 === 0);
  if (!names.includes("body")) return "does not hold {body}";
  const repeated = names.find((name, place) => names.indexOf(name) !== place);
  if (repeated) return `holds {${repeated}} twice`;
  const brace = literals.find((literal) => /[{}]/.test(literal));
  if (brace !== undefined) return "holds a brace that is not {body}, {timestamp} or {id}";
  // Bytes could be moved across a border that nothing marks.
  if (literals.slice(1, -1).some((literal) => literal === "")) {
    return "needs a separator between its parts";
  }
  if ([...bordersOf(pieces, "timestamp")].some((border) => /[0-9]/.test(border))) {
    return "needs a separator other than a digit beside {timestamp}";
  }
  return undefined;
}

/** The characters just before and just after a part. */
function bordersOf(pieces: readonly string[], part: Part): Set<string> {
  const place = pieces.findIndex((piece, index) => index % 2 === 1 && piece === part);
  if (place < 0) return new Set();
  const before = pieces[place - 1]?.at(-1);
  const after = pieces[place + 1]?.at(0);
  return new Set([before, after].filter((border) => border !== undefined));
}
