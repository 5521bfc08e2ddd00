// Carries requests from Node's listener to the method they name. Connect's own adapter would do,
// but it throws on a request whose authority is no host, which ends the process, and it lets a call
// in before anybody has asked who calls.

import type { Log } from "../process/log.ts";
import type { Handle } from "./listener.ts";
import type { Route } from "./routing.ts";
import type { Serve } from "./serve.ts";

export type AdapterOptions = {
  readonly routes: readonly Route[];
  readonly serve: Serve;
  /** Answers every other path. */
  readonly fallback: Handle;
  readonly log: Log;
};

export function createAdapter({ routes, serve, fallback, log }: AdapterOptions): Handle {
  const byPath = new Map(routes.map((route) => [route.handler.requestPath, route]));
  return (request, response) => {
    const url = request.url ?? "";
    const query = url.indexOf("?");
    const path = query < 0 ? url : url.slice(0, query);
    const route = byPath.get(path);
    if (route === undefined) return fallback(request, response);
    serve(route, request, response).catch((error: unknown) => {
      // The caller left before its answer; its record is closed, nothing is owed to it.
      log.debug("the answer was not taken", { path, error });
      if (!response.destroyed) response.destroy();
    });
  };
}
