// A way to a server that tests can cut and mend.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

export async function openProxy(target: string) {
  const url = new URL(target);
  const sockets = new Set<Socket>();
  const server = createServer((inside) => {
    const outside = connect(Number(url.port), url.hostname);
    for (const [from, to] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(from);
      from.on("error", () => {}).on("close", () => to.destroy());
      from.pipe(to);
    }
  });
  const listen = async (port: number) => {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as { port: number }).port;
  };
  const port = await listen(0);
  const through = new URL(target);
  through.port = String(port);
  const cut = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return {
    url: through.href,
    cut,
    mend: () => listen(port),
    async [Symbol.asyncDispose]() {
      cut();
    },
  };
}
