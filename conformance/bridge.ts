// Carries bytes between the runner and the mesh. The mesh has no plaintext and
// admits nobody without an identity, and the runner has neither TLS in half of
// its cases nor an identity in any. A bridge takes a connection as the one side
// makes it and makes the other as the other side wants it; what is said on it,
// HTTP and all, passes unread.

import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

export type Bridge = AsyncDisposable & { readonly port: number };

/** `server` is a plain or a TLS server; `dial` opens the far side for one of its connections. */
export async function openBridge(server: Server, dial: (near: Socket) => Socket): Promise<Bridge> {
  const open = new Set<Socket>();
  const accepted = "setSecureContext" in server ? "secureConnection" : "connection";
  server.on(accepted, (near: Socket) => {
    const far = dial(near);
    near.setNoDelay(true);
    join(near, far);
    for (const end of [near, far]) {
      open.add(end);
      end.once("close", () => open.delete(end));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const end of open) end.destroy();
      await closed;
    },
  };
}

/** A side that is gone, however it went, takes the other with it, once that has sent what it has. */
function join(near: Socket, far: Socket): void {
  near.pipe(far);
  far.pipe(near);
  for (const [one, other] of [
    [near, far],
    [far, near],
  ] as const) {
    one.on("error", () => other.destroy());
    one.once("close", () => other.destroySoon());
  }
}
