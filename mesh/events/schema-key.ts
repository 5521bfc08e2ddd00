// What an event waits for when this release does not know its schema: `schema/<full name>` where
// the name is new, `schema/<full name>@<version>` where only its form is.

const prefix = "schema/";

export function schemaKey(event: string, version?: number): string {
  return version === undefined ? `${prefix}${event}` : `${prefix}${event}@${version}`;
}

export function isSchemaKey(key: string): boolean {
  return key.startsWith(prefix);
}

/** The event and the version that a key names. */
export function readSchemaKey(key: string): { readonly event: string; readonly version: number } {
  const [event = "", version = "0"] = key.slice(prefix.length).split("@");
  return { event, version: Number(version) };
}
