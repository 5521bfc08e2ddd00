// Writes deploy/kubernetes/ from the graph. `make gen` runs it; with a folder as argument it writes
// there instead, which is how `make check` finds a file that is out of date.

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { readCode } from "../graph/code.ts";
import { readDeclared } from "../graph/declared.ts";
import { readRooms } from "../graph/rooms.ts";
import { builtSchema } from "../schema.ts";
import { edgesOf, manifestsOf, namespace } from "./kubernetes.ts";

const [folder = "deploy/kubernetes"] = process.argv.slice(2);
const head = `# From the graph of the mesh, by "make gen": change the schema, not the file.
# docs/contracts.md says what it takes for granted.
`;

const registry = builtSchema(".");
const edges = edgesOf(readDeclared(registry), readCode(readRooms("."), registry));
const manifests = manifestsOf(edges);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [name, objects] of manifests) {
  const texts = objects.map((object) => stringify(object, { aliasDuplicateObjects: false }));
  writeFileSync(join(folder, name), `${head}${texts.join("---\n")}`);
}
const kustomization = {
  apiVersion: "kustomize.config.k8s.io/v1beta1",
  kind: "Kustomization",
  namespace,
  resources: [...manifests.keys()],
};
writeFileSync(join(folder, "kustomization.yaml"), `${head}${stringify(kustomization)}`);
