// Changes to a valid request as a forger, a broken proxy or chance makes them: in
// the values and names of headers, in the body's bytes, in the query. One seed
// makes the same changes again.

export type Request = {
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly query: string | undefined;
  readonly body: Buffer;
};

/** From 0 to just below `count`. */
export type Random = (count: number) => number;

export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return (count) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % count;
  };
}

export function mutate(request: Request, random: Random): Request {
  let mutated = request;
  for (let left = 1 + random(3); left > 0; left--) {
    const kind = random(8);
    if (kind < 4) mutated = { ...mutated, body: mutateBytes(mutated.body, random) };
    else if (kind < 7)
      mutated = { ...mutated, rawHeaders: mutateHeaders(mutated.rawHeaders, random) };
    else mutated = { ...mutated, query: mutateText(mutated.query ?? "", random) };
  }
  return mutated;
}

const inserted = ['"', ",", "}", "{", ":", ".", "|", "=", "&", " ", "\n", "\0", "\ufeff", "0", "é"];

function mutateBytes(body: Buffer, random: Random): Buffer {
  const at = random(body.length + 1);
  const to = Math.min(body.length, at + 1 + random(16));
  const [head, piece, tail] = [body.subarray(0, at), body.subarray(at, to), body.subarray(to)];
  switch (random(7)) {
    case 0: {
      const flipped = Buffer.from(body);
      if (at < body.length) flipped[at]! ^= 1 << random(8);
      return flipped;
    }
    case 1:
      return body.subarray(0, at);
    case 2:
      return body.subarray(at);
    case 3:
      return Buffer.concat([head, Buffer.from(inserted[random(inserted.length)]!), piece, tail]);
    case 4:
      return Buffer.concat([head, tail]);
    case 5:
      return Buffer.concat([head, piece, piece, tail]);
    default:
      return Buffer.concat([body, Buffer.from(inserted[random(inserted.length)]!)]);
  }
}

function mutateHeaders(rawHeaders: readonly string[], random: Random): string[] {
  if (rawHeaders.length === 0) return ["hmacsignature", "x"];
  const headers = [...rawHeaders];
  const at = 2 * random(headers.length / 2);
  const name = headers[at]!;
  const value = headers[at + 1]!;
  const other = headers[2 * random(headers.length / 2) + 1]!;
  switch (random(8)) {
    case 0:
      headers.splice(at, 2);
      break;
    case 1:
      headers.push(name.toUpperCase(), value);
      break;
    case 2:
      headers.unshift(name, mutateText(value, random));
      break;
    case 3:
      headers[at] = random(2) ? name.toUpperCase() : `${name}-x`;
      break;
    case 4:
      headers[at + 1] = other;
      break;
    case 5:
      headers[at + 1] = random(2) ? value.toUpperCase() : value.toLowerCase();
      break;
    default:
      headers[at + 1] = mutateText(value, random);
  }
  return headers;
}

const separators = [",", ";", "=", ".", ":", "|", " ", ", ", "0", "9", "-", "+", "/", "a", "t=1,"];

function mutateText(text: string, random: Random): string {
  const at = random(text.length + 1);
  switch (random(6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return text.slice(0, at) + text.slice(at + 1);
    case 3:
      return text + separators[random(separators.length)] + text;
    case 4:
      return text.slice(0, at) + String.fromCharCode(33 + random(94)) + text.slice(at + 1);
    default:
      return text.slice(0, at) + separators[random(separators.length)] + text.slice(at);
  }
}
