// What is wrong with the files of an import: collected, so that one attempt shows all that must
// be fixed.

export type Problem = { readonly path: string; readonly line: number; readonly problem: string };

/** Adds one; line 0 means the whole file. */
export type Report = (path: string, line: number, problem: string) => void;
