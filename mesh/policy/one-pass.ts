// Whether a regular expression that goes back on its steps never has to: at every place of the text
// at most one part of the pattern can go on. Such a pattern is called one-unambiguous; who knows
// which parts may follow which (Glushkov's construction) can tell.

/** Some characters at one place of the pattern. */
type Place = { readonly set: string; readonly next: Set<number> };

/** A piece of the pattern: where it may begin and end, and whether it may be left out. */
type Piece = {
  readonly first: readonly number[];
  readonly last: readonly number[];
  readonly optional: boolean;
};

const nothing: Piece = { first: [], last: [], optional: true };

/** Says no to all that it does not know, such as a class by its name. */
export function isOnePass(pattern: string): boolean {
  if (!pattern.startsWith("^") || !pattern.endsWith("$")) return false;
  const reading: Reading = { text: pattern.slice(1, -1), at: 0, places: [], isAmbiguous: false };
  const whole = readChoices(reading);
  const isRead = whole !== undefined && reading.at === reading.text.length;
  if (!isRead || reading.isAmbiguous) return false;
  const { places } = reading;
  const choices = [whole.first, ...places.map(({ next }) => [...next])];
  return choices.every((choice) => areApart(choice.map((place) => places[place]!.set)));
}

type Reading = {
  readonly text: string;
  at: number;
  readonly places: Place[];
  isAmbiguous: boolean;
};

function readChoices(reading: Reading): Piece | undefined {
  let all = readSequence(reading);
  while (all !== undefined && reading.text[reading.at] === "|") {
    reading.at += 1;
    const other = readSequence(reading);
    all = other && {
      first: [...all.first, ...other.first],
      last: [...all.last, ...other.last],
      optional: all.optional || other.optional,
    };
  }
  return all;
}

function readSequence(reading: Reading): Piece | undefined {
  let all: Piece = nothing;
  while (reading.at < reading.text.length && !"|)".includes(reading.text[reading.at]!)) {
    const piece = readRepeated(reading);
    if (piece === undefined) return undefined;
    join(reading, all.last, piece.first);
    all = {
      first: all.optional ? [...all.first, ...piece.first] : all.first,
      last: piece.optional ? [...all.last, ...piece.last] : piece.last,
      optional: all.optional && piece.optional,
    };
  }
  return all;
}

const repetition = /[*+?]|\{(\d+)(,\d*)?\}/y;

function readRepeated(reading: Reading): Piece | undefined {
  const piece = readOne(reading);
  repetition.lastIndex = reading.at;
  const [how, least, most] = repetition.exec(reading.text) ?? [];
  if (piece === undefined || how === undefined) return piece;
  reading.at = repetition.lastIndex;
  // Of what comes a known number of times, no more than that is read again.
  const again = how !== "?" && (least === undefined || most !== undefined || least !== "1");
  if (again) join(reading, piece.last, piece.first);
  return { ...piece, optional: piece.optional || how === "*" || how === "?" || least === "0" };
}

const oneCharacter = /\[\^?(?:\\[^a-zA-Z0-9]|[^\\[\]])+\]|\\[^a-zA-Z0-9]|[^\\[\](){}*+?|^$.]/uy;

function readOne(reading: Reading): Piece | undefined {
  if (reading.text[reading.at] === "(") return readGroup(reading);
  oneCharacter.lastIndex = reading.at;
  const [set] = oneCharacter.exec(reading.text) ?? [];
  if (set === undefined) return undefined;
  reading.at = oneCharacter.lastIndex;
  const place = reading.places.push({ set, next: new Set() }) - 1;
  return { first: [place], last: [place], optional: false };
}

function readGroup(reading: Reading): Piece | undefined {
  reading.at += reading.text.startsWith("(?:", reading.at) ? 3 : 1;
  const piece = readChoices(reading);
  if (reading.text[reading.at] !== ")") return undefined;
  reading.at += 1;
  return piece;
}

function join(reading: Reading, from: readonly number[], to: readonly number[]): void {
  const { places } = reading;
  for (const place of from) {
    const { next } = places[place]!;
    for (const one of to) {
      // A second way from one place to another, as in `(a+)*`.
      if (next.has(one)) reading.isAmbiguous = true;
      next.add(one);
    }
  }
}

/** Every ASCII character, and one that stands for all others. */
const alphabet = [...Array.from({ length: 128 }, (_, code) => String.fromCharCode(code)), "é"];

function areApart(sets: readonly string[]): boolean {
  const expressions = sets.map((set) => new RegExp(`^${set}$`, "u"));
  return alphabet.every((character) => {
    return expressions.filter((expression) => expression.test(character)).length <= 1;
  });
}
