// The identity of an event that only unsigned headers name: its body's digest identifies it, and
// what the headers say is kept to be shown.

import type { Identity } from "./provider.ts";

export function unsignedIdentity(id: string | undefined, type: string | undefined): Identity {
  return {
    eventId: "",
    eventType: "",
    ...(id && { unsignedEventId: id }),
    ...(type && { unsignedEventType: type }),
  };
}
