// Exact bytes of values inside JSON that is known to be well-formed, found without decoding it:
// what is stored of a request are its own bytes, never a copy that was written anew.

const quote = 0x22;
const comma = 0x2c;
const colon = 0x3a;
const backslash = 0x5c;
const openBracket = 0x5b;
const openBrace = 0x7b;
/** Setting this bit makes a brace of a bracket, so that one comparison finds both. */
const braceBit = 0x20;
const closeBrace = 0x7d;

/** The value of a member of an object; undefined when there is none, or no object. */
export function memberSlice(json: Uint8Array, name: string): Uint8Array | undefined {
  const written = Buffer.from(`"${name}"`);
  for (const member of slicesIn(json, openBrace)) {
    const nameEnd = stringEnd(member, 0);
    if (!written.equals(member.subarray(0, nameEnd))) continue;
    return trimmed(member.subarray(member.indexOf(colon, nameEnd) + 1));
  }
  return undefined;
}

/** The items of an array; undefined when it is none. */
export function itemSlices(json: Uint8Array): Uint8Array[] | undefined {
  return json[0] === openBracket ? slicesIn(json, openBracket) : undefined;
}

/** What stands between the commas of an object or an array. */
function slicesIn(json: Uint8Array, open: number): Uint8Array[] {
  const text = trimmed(json);
  if (text[0] !== open) return [];
  const slices: Uint8Array[] = [];
  let depth = 0;
  let from = 1;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!;
    if (byte === quote) at = stringEnd(text, at) - 1;
    else if ((byte | braceBit) === openBrace) depth += 1;
    else if ((byte | braceBit) === closeBrace) depth -= 1;
    const ends = depth === 0 || (byte === comma && depth === 1);
    if (!ends) continue;
    const slice = trimmed(text.subarray(from, at));
    if (slice.length > 0) slices.push(slice);
    from = at + 1;
  }
  return slices;
}

function stringEnd(json: Uint8Array, from: number): number {
  for (let at = from + 1; at < json.length; at++) {
    if (json[at] === backslash) at += 1;
    else if (json[at] === quote) return at + 1;
  }
  return json.length;
}

function trimmed(json: Uint8Array): Uint8Array {
  let [from, to] = [0, json.length];
  while (from < to && json[from]! <= 0x20) from += 1;
  while (to > from && json[to - 1]! <= 0x20) to -= 1;
  return json.subarray(from, to);
}
