// The ceiling of HTTP on this machine: a node:https server that reads the body
// and answers. It verifies nothing and keeps nothing.

import { listenHttps } from "./listen.ts";

listenHttps(async () => {});
