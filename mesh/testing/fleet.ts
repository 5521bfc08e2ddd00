// Several echo servers of one authority, and clients that know them all. Each can be stopped and
// started again on its port, as a rolling restart does.

import type { HandlerContext } from "@connectrpc/connect";
import type { Authority } from "../identity/authority.ts";
import { type ClientOptions, openClient } from "../rpc/client.ts";
import { echo, echoed, startEchoServer, type Untyped } from "./echo-server.ts";
import type { TestServer, TestServerOptions } from "./rpc.ts";

export type FleetOptions = {
  /** Answers every method but the streams; the place is that of the server. */
  readonly answer?: (place: number, request: Untyped, context: HandlerContext) => Untyped;
  readonly server?: (place: number) => Partial<TestServerOptions>;
  /** One port, and an address of the loopback network for each: 127.0.0.1, 127.0.0.2, … */
  readonly sharesPort?: boolean;
};

export type Fleet = AsyncDisposable & {
  readonly urls: readonly string[];
  readonly servers: readonly FleetServer[];
  readonly authority: Authority;
  /** Handled by each server since it was asked last. */
  readonly takeCounts: () => number[];
  readonly client: (options?: Partial<ClientOptions>) => Promise<FleetClient>;
};

export type FleetServer = {
  readonly url: string;
  readonly stop: () => Promise<void>;
  readonly start: () => Promise<void>;
};

export type FleetClient = { readonly rpc: Untyped } & Pick<
  ReturnType<typeof openClient>,
  "endpoints" | typeof Symbol.asyncDispose
>;

export async function startFleet(count: number, options: FleetOptions = {}): Promise<Fleet> {
  await using stack = new AsyncDisposableStack();
  const { answer = (_place, request, context) => echoed(request, context) } = options;
  const counts = Array.from({ length: count }, () => 0);
  let first: TestServer | undefined;

  async function startServer(place: number, port = 0): Promise<TestServer> {
    const handle = (request: Untyped, context: HandlerContext) => {
      counts[place] = (counts[place] ?? 0) + 1;
      return answer(place, request, context);
    };
    const { config, ...own } = options.server?.(place) ?? {};
    return startEchoServer(
      { echo: handle, hurry: handle, write: handle },
      {
        ...own,
        ...(first && { authority: first.certificates.authority }),
        config: {
          drainTimeoutMs: 2_000,
          ...(options.sharesPort && { host: `127.0.0.${place + 1}` }),
          ...config,
          port,
        },
      },
    );
  }

  const servers: FleetServer[] = [];
  for (let place = 0; place < count; place++) {
    let server = stack.use(await startServer(place, options.sharesPort ? first?.port : 0));
    first ??= server;
    const { port, url } = server;
    servers.push({
      url,
      stop: () => server.stop(),
      async start() {
        server = owned.use(await startServer(place, port));
      },
    });
  }
  const { certificates } = first as TestServer;
  const urls = servers.map(({ url }) => url);
  const owned = stack.move();
  return {
    urls,
    servers,
    authority: certificates.authority,
    takeCounts: () => counts.splice(0, count, ...counts.map(() => 0)),
    async client(over = {}) {
      const tls = await certificates.identity("test-client");
      return owned.use(openClient(echo.service, { url: urls, tls, ...over })) as FleetClient;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
