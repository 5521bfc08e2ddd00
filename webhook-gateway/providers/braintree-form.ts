// Braintree's request: a form with a signature and a payload, which is XML in base64. Read here for
// the door and for the desk alike, so that both see the same bytes.

export type BraintreeForm = {
  readonly signature: string;
  /** What is signed: base64 in lines, with the line feed at its end that some senders drop. */
  readonly payload: string;
};

/** Undefined unless the body is these two fields, each once and well written, and nothing else. */
export function readBraintreeForm(body: Uint8Array): BraintreeForm | undefined {
  const fields = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
    .toString("latin1")
    .split("&", 3);
  if (fields.length !== 2) return undefined;
  const signature = fieldValue(fields, "bt_signature=");
  const written = fieldValue(fields, "bt_payload=");
  if (signature === undefined || written === undefined) return undefined;
  // Braintree's own line breaks are line feeds; nothing else stands between the characters.
  if (!/^[A-Za-z0-9+/\n]+={0,2}\n?$/.test(written)) return undefined;
  return { signature, payload: written.endsWith("\n") ? written : `${written}\n` };
}

export function xmlOf({ payload }: BraintreeForm): Buffer {
  return Buffer.from(payload, "base64");
}

function fieldValue(fields: readonly string[], start: string): string | undefined {
  const field = fields.find((candidate) => candidate.startsWith(start));
  // A bare plus is a space, which neither field holds.
  if (field === undefined || field.includes("+")) return undefined;
  try {
    return decodeURIComponent(field.slice(start.length));
  } catch {
    return undefined;
  }
}

export function writeBraintreeForm(signature: string, payload: string): Buffer {
  const [signed, sent] = [signature, payload].map(encodeURIComponent);
  return Buffer.from(`bt_signature=${signed}&bt_payload=${sent}`);
}

/** Base64 as Braintree writes it: lines of 60 characters, each with its line feed. */
export function linesOfBase64(bytes: Uint8Array): string {
  const digits = Buffer.from(bytes).toString("base64");
  return `${digits.match(/.{1,60}/g)?.join("\n") ?? ""}\n`;
}
