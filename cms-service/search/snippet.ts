// The text around what was found, as HTML that is safe: the database marks the
// hits with characters that nobody's text has, and they become elements after
// everything else was escaped.

import { escapeHtml } from "../catalog/markdown.ts";

/** For private use in Unicode, so they stand for nothing that could be missed. */
export const markStart = "\uE000";
export const markEnd = "\uE001";

/** A text whose marks are our own; what the database cannot hold is left out too. */
export function withoutMarks(text: string): string {
  return text.replaceAll(/[\uE000\uE001\0]/g, "");
}

export function snippetHtml(marked: string): string {
  const pieces = marked.replaceAll(/\s+/g, " ").trim().split(markStart);
  const [before = "", ...hits] = pieces;
  return [
    escapeHtml(withoutMarks(before)),
    ...hits.map((piece) => {
      const end = piece.indexOf(markEnd);
      if (end === -1) return escapeHtml(piece);
      const hit = escapeHtml(piece.slice(0, end));
      return `<mark>${hit}</mark>${escapeHtml(withoutMarks(piece.slice(end)))}`;
    }),
  ].join("");
}
