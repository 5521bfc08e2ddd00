// `make client`: the package of the contracts, ready to publish or to install from its file.

import { packClient } from "./pack.ts";

const tarball = packClient(".bursar/client");
console.log(`packed ${tarball}`);
console.log(`npm install ${tarball} where it is needed; docs/clients.md says how to call`);
