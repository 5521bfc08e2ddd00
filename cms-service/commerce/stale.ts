// Etags of offers and coupons: the version of the row, which every change raises.

import { refused } from "../requests/refusal.ts";

export function etagOf({ version }: { readonly version: bigint }): string {
  return `"${version}"`;
}

/** The row is locked by the caller. */
export function refuseStale(
  thing: string,
  resource: string,
  row: { readonly version: bigint },
  etag: string,
): void {
  const currentEtag = etagOf(row);
  if (etag === currentEtag) return;
  const message = `${thing} ${resource} is at etag ${currentEtag}, not at ${etag}: read it again`;
  throw refused("ETAG_MISMATCH", message, { resource, currentEtag });
}

/**
 * What an update changes: at least one field, and none but those that it can change. A path may
 * go into a duration or a time; these change as a whole all the same.
 */
export function fieldsOf(
  mask: { readonly paths: readonly string[] } | undefined,
  changeable: readonly string[],
): ReadonlySet<string> {
  const fields = new Set(mask?.paths.map((path) => path.split(".", 1).join()));
  const other = [...fields].find((field) => !changeable.includes(field));
  if (fields.size > 0 && other === undefined) return fields;
  const what = other === undefined ? "no field" : JSON.stringify(other.slice(0, 64));
  throw refused(
    "UPDATE_INVALID",
    `update_mask names ${what}; it may name ${changeable.join(", ")}`,
  );
}
