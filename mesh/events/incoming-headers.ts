// Headers of a message from the broker, read from its bytes. The client's own reading makes several
// objects of every line, and was a tenth of what a consumer allocates (measured). Whatever is not
// as plain as what we publish is left to the client.

import type { MsgHdrs } from "@nats-io/transport-node";
import type { Headers } from "./raw-message.ts";

type WithHeaders = { readonly headers?: MsgHdrs | undefined };

/** As the client holds a message. No public way leads there: where it changes, all is as before. */
type Inside = { readonly msg?: { readonly _msg?: { hdr?: number }; readonly _rdata?: Uint8Array } };

/** Throws what the client throws over headers that break their form. */
export function readHeaders(message: WithHeaders): Headers {
  return plainHeaders(message) ?? listOf(message.headers);
}

export function plainHeaders(message: WithHeaders): Headers | undefined {
  const { msg } = message as Inside;
  const length = msg?._msg?.hdr;
  const bytes = msg?._rdata;
  if (typeof length !== "number" || !(bytes instanceof Uint8Array)) return undefined;
  if (length < 0) return [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, length).toString("latin1");
  return parsePlain(text);
}

/** Undefined: not every line is a name and a printable value, or a name comes twice. */
export function parsePlain(text: string): Headers | undefined {
  if (!/^NATS\/1\.0\r\n(?:[!-9;-~]+:[ -~]*\r\n)*\r\n$/.test(text)) return undefined;
  const headers: [string, string][] = [];
  for (let from = text.indexOf("\n") + 1; text[from] !== "\r"; ) {
    const colon = text.indexOf(":", from);
    const end = text.indexOf("\r", colon);
    const name = text.slice(from, colon);
    for (const [known] of headers) if (known === name) return undefined;
    headers.push([name, text.slice(colon + 1, end).trim()]);
    from = end + 2;
  }
  return headers;
}

function listOf(headers: MsgHdrs | undefined): Headers {
  const list: [string, string][] = [];
  // Asked for its names one by one, the client looks through all of them every time.
  for (const [name, values] of headers ?? []) {
    for (const value of values) list.push([name, value]);
  }
  return list;
}
