// Carries requests from Node's listener to Connect's handlers and back. Connect's
// own adapter would do, but it throws on a request whose authority is no host,
// which ends the process, and anybody who can open a connection may send one.

import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import {
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from "@connectrpc/connect-node";
import type { Log } from "../process/log.ts";
import { socketKey } from "./gate.ts";
import type { Handle, Request, Response } from "./listener.ts";
import { sendError, socketOf } from "./probes.ts";

export type AdapterOptions = {
  readonly handlers: readonly UniversalHandler[];
  /** Answers every other path. */
  readonly fallback: Handle;
  readonly log: Log;
};

export function createAdapter({ handlers, fallback, log }: AdapterOptions): Handle {
  const handlersByPath = new Map(handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    const handler = handlersByPath.get(path);
    if (handler === undefined) return fallback(request, response);
    const universal = readRequest(request, response);
    if (universal === undefined) {
      const error = new ConnectError("the authority is not a host", Code.InvalidArgument);
      return sendError(request, response, error);
    }
    handler(universal)
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((error: unknown) => {
        // The caller left before its answer; its record is closed, nothing is owed to it.
        log.debug("the answer was not taken", { path, error });
      });
  };
}

function readRequest(request: Request, response: Response) {
  const values = createContextValues().set(socketKey, socketOf(request));
  try {
    return universalRequestFromNodeRequest(request, response, undefined, values);
  } catch {
    return undefined;
  }
}
