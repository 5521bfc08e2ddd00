// What calls share belongs to none of them: a connection takes over neither the deadline nor the
// trace of the call that happened to open it.

import { AsyncLocalStorage } from "node:async_hooks";

export const outsideCalls = AsyncLocalStorage.snapshot();
