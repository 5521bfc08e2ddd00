// `make clean`: removes what was installed and made in this folder, unless it is
// in use.

import { rmSync } from "node:fs";
import { houseIn } from "./running.ts";

const runs = houseIn(".bursar");
if (runs !== undefined) {
  console.error(`Bursar runs here; stop it first: kill -INT ${runs}`);
  process.exit(1);
}
for (const folder of ["node_modules", ".bursar", ".cache"]) {
  rmSync(folder, { recursive: true, force: true });
}
