// A folder for the house of a test. The test removes it when it holds; what a
// failed test leaves behind tells why.

import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export function makeFolder(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `bursar-${name}-`));
  // Postgres may run as another user, who has to pass through to reach its data.
  chmodSync(path, 0o711);
  return path;
}
