// The etag of a course: an author names the version that was looked at, and
// nothing is decided about a tree that has moved on since.

/** Version of the whole tree, as HTTP writes it. */
export function etagOf(version: bigint): string {
  return `"${version}"`;
}
