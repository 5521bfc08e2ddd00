// The graph as the code has it: of every service in the repository what it tells, what it reads and
// what it calls. What cannot be read in the code is a finding, so that nothing is passed over.

import type { FileRegistry } from "@bufbuild/protobuf";
import type { Finding } from "../finding.ts";
import type { Place } from "../place.ts";
import { type CodeCall, callsOf } from "./calls.ts";
import { type Roles, rolesOf } from "./roles.ts";
import type { Room } from "./rooms.ts";
import { Unreadable } from "./source.ts";

export type CodeService = Roles & {
  readonly room: Room;
  readonly calls: readonly CodeCall[];
};

export type CodeGraph = {
  readonly services: readonly CodeService[];
  readonly unreadable: readonly Finding[];
};

export function readCode(rooms: readonly Room[], registry: FileRegistry): CodeGraph {
  const services: CodeService[] = [];
  const unreadable: Finding[] = [];
  for (const room of rooms) {
    const names = { room, registry };
    try {
      const roles = rolesOf(names);
      if (roles === undefined) {
        const place = { file: `${room.folder}/main.ts`, line: 1 };
        const what = "nothing says which service this is: declare a ServiceDefinition";
        throw new Unreadable(place, what);
      }
      const { calls, unreadable: strange } = callsOf(names, roles.service);
      services.push({ ...roles, room, calls });
      unreadable.push(...strange.map((error) => unreadableFinding(room.folder, error)));
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      unreadable.push(unreadableFinding(room.folder, error));
    }
  }
  return { services, unreadable };
}

function unreadableFinding(folder: string, { message, place }: Unreadable): Finding {
  return {
    ...graphError(folder, place),
    change: message,
    why: "what the code does cannot be compared with what the schema grants",
    remedy: "write it so that it can be read without running it",
  };
}

export function graphError(
  name: string,
  place: Place,
): Pick<Finding, "effect" | "name" | "affected" | "place"> {
  return { effect: "error", name, affected: [], place };
}
