// Judges HTML more strictly than any browser does: it must be written in one
// canonical way that every parser reads alike, and hold nothing but what the
// rules of catalog/markdown.ts let through, which are written down here again.

import { Parser } from "htmlparser2";

const elements = new Set(
  (
    "h1 h2 h3 h4 h5 h6 p hr br blockquote pre code ul ol li dl dt dd figure figcaption details " +
    "summary table caption thead tbody tfoot tr th td a img em strong b i s del ins u mark small " +
    "sub sup kbd abbr q"
  ).split(" "),
);

const attributes: Readonly<Record<string, RegExp>> = {
  "a title": /^/,
  "a rel": /^noopener nofollow$/,
  "img alt": /^/,
  "img title": /^/,
  "abbr title": /^/,
  "ol start": /^\d{1,9}$/,
  "th align": /^(left|center|right)$/,
  "td align": /^(left|center|right)$/,
  "code class": /^language-[\w+#.-]{1,40}$/,
};

const schemes: Readonly<Record<string, RegExp>> = {
  "a href": /^(https?|mailto):$/,
  "img src": /^https?:$/,
};

/** A text, a start tag with attributes in double quotes, or an end tag; nothing else. */
const piece = /[^<>]+|<([a-z][a-z0-9]*)((?: [a-z]+="[^"<>]*")*)( \/)?>|<\/([a-z][a-z0-9]*)>/y;

/** Everything that is wrong with it; nothing when it is safe. */
export function problemsOf(html: string): string[] {
  const problems: string[] = [];
  const opened: string[] = [];
  piece.lastIndex = 0;
  while (piece.lastIndex < html.length) {
    const at = piece.lastIndex;
    const match = piece.exec(html);
    if (!match) return [...problems, `not canonical: ${JSON.stringify(html.slice(at, at + 40))}`];
    const [, start, written = "", , end] = match;
    if (start !== undefined) opened.push(start);
    for (const name of [start, end]) {
      if (name !== undefined && !elements.has(name)) problems.push(`element ${name}`);
    }
    for (const [, name, value = ""] of written.matchAll(/ ([a-z]+)="([^"]*)"/g)) {
      problems.push(...attributeProblems(`${start} ${name}`, decoded(value)));
    }
    if (start === "a" && written.includes(" href=") && !written.includes(" rel=")) {
      problems.push("a link without rel");
    }
  }
  const seen = elementsSeenBy(html);
  if (seen.join() !== opened.join()) problems.push(`a parser sees ${seen}, not ${opened}`);
  return problems;
}

function attributeProblems(name: string, value: string): string[] {
  const scheme = schemes[name];
  if (scheme) return addressProblems(name, value, scheme);
  return attributes[name]?.test(value) ? [] : [`attribute ${name}=${JSON.stringify(value)}`];
}

const here = "https://here.invalid/";

/** As a browser reads it: Node has the same reading of addresses. */
function addressProblems(name: string, value: string, scheme: RegExp): string[] {
  const address = URL.parse(value, here);
  if (!address) return [];
  const saysHost = /^[\p{Cc} ]*https?:/iu.test(value);
  const isElsewhere = address.host !== new URL(here).host && address.protocol !== "mailto:";
  if (scheme.test(address.protocol) && (saysHost || !isElsewhere)) return [];
  return [`${name} leads to ${address.href}`];
}

function decoded(value: string): string {
  let text = "";
  const parser = new Parser({ ontext: (part) => (text += part) });
  parser.end(value);
  return text;
}

function elementsSeenBy(html: string): string[] {
  const names: string[] = [];
  const parser = new Parser({
    onopentag: (name, _, isImplied) => {
      if (!isImplied) names.push(name);
    },
  });
  parser.end(html);
  return names;
}
