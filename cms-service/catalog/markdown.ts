// Markdown as HTML that is safe to put into anybody's page. What authors wrote is
// kept as they wrote it; here, on the way out, whatever could run is left out:
// only the elements, attributes and addresses that are named below get through.

import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";

type Tokens = ReturnType<InstanceType<typeof MarkdownIt>["parse"]>;

/** As much as the longest text of the contract has; more is shown as it is written. */
const charactersMax = 262_144;
/** Elements in elements. Deeper ones are left out, their texts stay. */
const depthMax = 50;
const addressLengthMax = 2_048;
/**
 * A link is written once and used often: its address counts each time. What all addresses may
 * add up to follows from the length of the text.
 */
const addressesShareMax = 4;

const schemes = ["http", "https", "mailto"];

/** More markup of an author's own is shown as it is written: closing it takes its square in time. */
const ownTagsMax = 20_000;

const markdown = createMarkdown({ html: true });
const withoutOwnTags = createMarkdown({ html: false });

function createMarkdown(options: { readonly html: boolean }) {
  const parser = new MarkdownIt({ ...options, maxNesting: 30 });
  const { validateLink } = parser;
  parser.validateLink = (url) => url.length <= addressLengthMax && validateLink(url);
  return parser;
}

const sanitizing: sanitizeHtml.IOptions = {
  allowedTags: [
    ...["h1", "h2", "h3", "h4", "h5", "h6", "p", "hr", "br", "blockquote", "pre", "code"],
    ...["ul", "ol", "li", "dl", "dt", "dd", "figure", "figcaption", "details", "summary"],
    ...["table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"],
    ...["a", "img", "em", "strong", "b", "i", "s", "del", "ins", "u", "mark", "small"],
    ...["sub", "sup", "kbd", "abbr", "q"],
  ],
  allowedAttributes: {
    a: ["href", "title", "rel"],
    img: ["src", "alt", "title"],
    ol: ["start"],
    th: ["align"],
    td: ["align"],
    abbr: ["title"],
  },
  allowedClasses: { code: [/^language-[\w+#.-]{1,40}$/] },
  allowedSchemes: schemes,
  allowedSchemesByTag: { img: ["http", "https"] },
  allowedSchemesAppliedToAttributes: ["href", "src"],
  allowProtocolRelative: false,
  disallowedTagsMode: "discard",
  /** What is inside these is no text. */
  nonTextTags: [
    ...["script", "style", "textarea", "option", "xmp", "noscript", "noembed", "noframes"],
    ...["iframe", "object", "embed", "applet", "svg", "math", "template", "title", "plaintext"],
  ],
  nestingLimit: depthMax,
  parseStyleAttributes: false,
  transformTags: {
    a: (tagName, { rel: _, ...attribs }) => ({
      tagName,
      attribs: "href" in attribs ? { ...attribs, rel: "noopener nofollow" } : attribs,
    }),
    ol: (tagName, attribs) => ({
      tagName,
      attribs: /^\d{1,9}$/.test(attribs["start"] ?? "") ? attribs : {},
    }),
    th: aligned,
    td: aligned,
  },
};

/** For whoever reads a page. */
export function htmlOf(text: string): string {
  if (text === "") return "";
  if (text.length > charactersMax) return `<pre>${escapeHtml(text.slice(0, charactersMax))}</pre>`;
  const parsed = markdown.parse(text, {});
  const tokens = ownTags(parsed) > ownTagsMax ? withoutOwnTags.parse(text, {}) : parsed;
  boundAddresses(tokens, text.length * addressesShareMax);
  return sanitizeHtml(markdown.renderer.render(tokens, markdown.options, {}), sanitizing);
}

/** The words alone, for whoever looks for them. */
export function plainTextOf(text: string): string {
  if (text.length > charactersMax) return text.slice(0, charactersMax);
  const parts: string[] = [];
  for (const { type, content, children } of markdown.parse(text, {})) {
    if (type === "fence" || type === "code_block") parts.push(content);
    else if (children) parts.push(wordsOf(children));
  }
  return parts.filter(Boolean).join("\n");
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => escapes[character] ?? "");
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function wordsOf(tokens: Tokens): string {
  return tokens
    .map(({ type, content }) => {
      if (type === "text" || type === "code_inline" || type === "image") return content;
      return type === "softbreak" || type === "hardbreak" ? " " : "";
    })
    .join("");
}

function ownTags(tokens: Tokens): number {
  let count = 0;
  for (const { type, content, children } of tokens) {
    if (type === "html_block") count += content.split("<").length;
    for (const child of children ?? []) if (child.type === "html_inline") count += 1;
  }
  return count;
}

function boundAddresses(tokens: Tokens, lengthMax: number): void {
  let length = 0;
  for (const { children } of tokens) {
    for (const token of children ?? []) {
      if (token.type !== "link_open" && token.type !== "image") continue;
      for (const [, value] of token.attrs ?? []) length += String(value).length;
      if (length > lengthMax) token.attrs = token.type === "image" ? [["alt", ""]] : [];
    }
  }
}

/** A table's columns are aligned by a style, and styles are left out. */
function aligned(tagName: string, { style = "", align = "" }: sanitizeHtml.Attributes) {
  const side = /^(?:text-align:)?(left|center|right)$/.exec(style || align)?.[1];
  return {
    tagName,
    attribs: side === undefined ? ({} as sanitizeHtml.Attributes) : { align: side },
  };
}
