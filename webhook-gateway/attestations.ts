// How far each part of a webhook can be trusted, from what its provider's
// signature covers. A webhook says so itself, so that whoever reads it needs to
// know no provider.

import { create } from "@bufbuild/protobuf";
import { Attestation, Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  type FieldAttestation,
  FieldAttestationSchema,
} from "#gen/bursar/webhook/v1/webhook_pb.ts";
import type { Provider } from "./providers/provider.ts";

/** What the webhook has of them: what is absent needs no word about it. */
export type Present = {
  readonly eventId: boolean;
  readonly eventType: boolean;
  readonly signedTime: boolean;
};

type Attested = { readonly body: boolean; readonly id: boolean; readonly type: boolean };

/** The form's values of `URL_PARAMETERS` are signed, but not their bytes. */
const attested: Partial<Record<number, Attested>> = {
  [Coverage.ID_TIME_BODY]: { body: true, id: true, type: true },
  [Coverage.TIME_BODY]: { body: true, id: true, type: true },
  [Coverage.BODY]: { body: true, id: true, type: true },
  [Coverage.URL_BODY]: { body: true, id: true, type: true },
  [Coverage.URL_PARAMETERS]: { body: false, id: true, type: true },
  [Coverage.LISTED_FIELDS]: { body: false, id: true, type: true },
  [Coverage.ID_TIME_CHECKSUM]: { body: false, id: true, type: false },
  [Coverage.ID_TIME]: { body: false, id: true, type: false },
};

const nothing: Attested = { body: false, id: false, type: false };

/** By what is present: the same few lists for every webhook of a provider, made once. */
const known = new WeakMap<Provider, Map<number, FieldAttestation[]>>();

/** Sorted by field. */
export function attestationsOf(provider: Provider, present: Present): FieldAttestation[] {
  const lists = known.get(provider) ?? new Map<number, FieldAttestation[]>();
  const { eventId, eventType, signedTime } = present;
  const key = Number(eventId) + 2 * Number(eventType) + 4 * Number(signedTime);
  const list = lists.get(key) ?? createList(provider, present);
  known.set(provider, lists.set(key, list));
  return list;
}

function createList(provider: Provider, present: Present): FieldAttestation[] {
  const { body, id, type } = attested[provider.coverage] ?? nothing;
  const fields = new Map([["body", body]]);
  for (const path of provider.signedFields ?? []) fields.set(`body.${path}`, true);
  if (present.eventId) fields.set("event_id", id);
  if (present.eventType) fields.set("event_type", type);
  if (present.signedTime) fields.set("signed_time", provider.coverage !== Coverage.NOTHING);
  return [...fields]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([field, signed]) =>
      create(FieldAttestationSchema, {
        field,
        attestation: signed ? Attestation.SIGNED : Attestation.UNSIGNED,
      }),
    );
}
