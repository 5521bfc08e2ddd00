// Form bodies as fields in the order in which they stand: percent-encoded UTF-8, decoded strictly.
// What a lenient reader would repair is refused here, because a signature is checked on what was
// decoded.

export type FormField = { readonly name: string; readonly value: string };

const fieldsMax = 1_000;
const plus = 0x2b;
const space = 0x20;

/** Undefined when the body is no form. */
export function readForm(body: Uint8Array): FormField[] | undefined {
  const bytes = Buffer.from(body);
  if (!/^[!-~]+$/.test(bytes.toString("latin1"))) return undefined;
  // A bare plus is a space. In bytes, because in a text of millions of them each costs a piece.
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === plus) bytes[at] = space;
  const written = bytes.toString("latin1").split("&", fieldsMax + 1);
  if (written.length > fieldsMax) return undefined;
  const fields: FormField[] = [];
  for (const field of written) {
    const at = field.indexOf("=");
    const name = decoded(at < 0 ? field : field.slice(0, at));
    const value = decoded(at < 0 ? "" : field.slice(at + 1));
    if (name === undefined || value === undefined) return undefined;
    fields.push({ name, value });
  }
  return fields;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
