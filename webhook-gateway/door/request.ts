// What the door reads of a request's head: the endpoint in its path and the
// headers that matter, each of them at most once.

const path = /^\/v1\/in\/([A-Za-z0-9_-]{8,64})$/;

/**
 * The endpoint id in a request target. Only the one form is known: no query, no
 * percent-encoding, no absolute form, so that no two spellings mean one endpoint.
 */
export function endpointIdOf(target: string | undefined): string | undefined {
  return path.exec(target ?? "")?.[1];
}

export type Head = {
  header(name: string): string | undefined;
  /** One of the headers asked for was sent twice: which one counts would be a guess. */
  readonly duplicated: boolean;
  /** Those that were asked for, as they were sent. */
  readonly sent: readonly { readonly name: string; readonly value: string }[];
};

/** Names in lower case. */
export function readHead(rawHeaders: readonly string[], wanted: readonly string[]): Head {
  const values = new Map<string, string>();
  const sent: { name: string; value: string }[] = [];
  let duplicated = false;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]!.toLowerCase();
    if (!wanted.includes(name)) continue;
    const value = rawHeaders[at + 1]!;
    if (values.has(name)) duplicated = true;
    values.set(name, value);
    sent.push({ name: rawHeaders[at]!, value });
  }
  return { header: (name) => values.get(name), duplicated, sent };
}

const jsonType = /^application\/(json|[a-z0-9.+-]{1,60}\+json)[ \t]*(;|$)/i;

/** A missing type is accepted: the body says for itself whether it is JSON. */
export function isJsonType(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === "") return true;
  return contentType.length <= 255 && jsonType.test(contentType);
}

export function isPlainEncoding(contentEncoding: string | undefined): boolean {
  return contentEncoding === undefined || /^(identity)?$/i.test(contentEncoding.trim());
}
