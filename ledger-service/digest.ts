// The canonical form of a request, and its digest. Two requests are the same when their canonical
// forms are: whatever codec or language they came through, in whatever order their notes were.

import { createHash } from "node:crypto";
import type { AccountUpdate } from "./rules/account-rules.ts";
import type { HoldCommand } from "./rules/hold-rules.ts";
import type { AmountRange, Precondition } from "./rules/preconditions.ts";
import type { Entry, Note, Time } from "./rules/records.ts";
import type { ReversedPart } from "./rules/reversal-rules.ts";
import type { Release } from "./rules/suspense-rules.ts";

const formatVersion = 1;

export type PostingRequest = {
  readonly entries: readonly Entry[];
  readonly description: string;
  readonly metadata: readonly Note[];
  readonly effectiveTime: Time | undefined;
  readonly preconditions?: readonly Precondition[];
  readonly linkGroup?: string;
};

/**
 * Hex of the SHA-256 of the canonical form. Entries and preconditions count in the order given.
 * What later versions of the request have added is a part only where it is used, by its name: a key
 * that was used before them is still the same request's.
 */
export function digestPosting(request: PostingRequest): string {
  const { entries, description, metadata, effectiveTime } = request;
  const { preconditions = [], linkGroup = "" } = request;
  return digest("post", [
    entries.map(({ account, side, amountMinor }) => {
      return [account.accountCode, account.assetCode, side, String(amountMinor)];
    }),
    description,
    formOfNotes(metadata),
    formOfTime(effectiveTime),
    ...added("preconditions", preconditions.map(formOfPrecondition)),
    ...added("link_group", linkGroup),
  ]);
}

export type ReversalRequest = {
  readonly sequence: bigint;
  readonly description: string;
  readonly parts?: readonly ReversedPart[];
  readonly metadata?: readonly Note[];
  readonly effectiveTime?: Time | undefined;
};

/** Reversed entries count in the order given: the reversal's own have the same. */
export function digestReversal(request: ReversalRequest): string {
  const { sequence, description, parts = [], metadata = [], effectiveTime } = request;
  return digest("reverse", [
    String(sequence),
    description,
    ...added(
      "entries",
      parts.map(({ entryIndex, amountMinor }) => [String(entryIndex), String(amountMinor)]),
    ),
    ...added("metadata", formOfNotes(metadata)),
    ...added("effective_time", formOfTime(effectiveTime)),
  ]);
}

function added(name: string, form: Form): Form[] {
  return form.length === 0 ? [] : [[name, form]];
}

function formOfPrecondition({ account, balance, available, version }: Precondition): Form {
  return [
    [account.accountCode, account.assetCode],
    formOfRange(balance),
    formOfRange(available),
    formOfBound(version),
  ];
}

function formOfRange(range: AmountRange | undefined): Form {
  if (!range) return [];
  return [range.gteMinor, range.lteMinor, range.eqMinor].map(formOfBound);
}

function formOfBound(bound: bigint | undefined): Form {
  return bound === undefined ? [] : [String(bound)];
}

function formOfNotes(metadata: readonly Note[]): Form {
  return sortedNotes(metadata).map(({ key, value }) => [key, value]);
}

function formOfTime(time: Time | undefined): Form {
  return time ? [String(time.seconds), String(time.nanos)] : [];
}

export function digestAccountUpdate(
  request: Pick<AccountUpdate, "account" | "change" | "expectedChangedSequence" | "description">,
): string {
  const { account, change, expectedChangedSequence, description } = request;
  return digest("update-account", [
    [account.accountCode, account.assetCode],
    change.what,
    formOfChange(change),
    String(expectedChangedSequence),
    description,
  ]);
}

function formOfChange(change: AccountUpdate["change"]): Form {
  if (change.what === "metadata") return formOfNotes(change.metadata);
  if (change.what !== "limits") return [];
  return [change.limits.floorMinor, change.limits.ceilingMinor].map(formOfBound);
}

export function digestClosePeriod(request: { endTime: Time; description: string }): string {
  return digest("close-period", [formOfTime(request.endTime), request.description]);
}

export function digestRelease(request: Omit<Release, "kind" | "idempotencyKey">): string {
  const { entry, account, description, effectiveTime } = request;
  return digest("release-suspense", [
    [String(entry.sequence), String(entry.entryIndex)],
    account ? [account.accountCode, account.assetCode] : [],
    description,
    formOfTime(effectiveTime),
  ]);
}

/** A request about a hold, without its key. */
export type HoldRequest = WithoutKey<HoldCommand>;
type WithoutKey<C> = C extends HoldCommand ? Omit<C, "idempotencyKey"> : never;

export function digestHold(request: HoldRequest): string {
  const { kind, amountMinor, description } = request;
  const parts: Form[] = [String(amountMinor), description];
  if (request.kind === "create-hold") {
    const { debitAccount, creditAccount, toleranceMinor, expiration, metadata } = request;
    parts.push(
      [debitAccount.accountCode, debitAccount.assetCode],
      [creditAccount.accountCode, creditAccount.assetCode],
      String(toleranceMinor),
      formOfExpiration(expiration),
      formOfNotes(metadata),
    );
  } else {
    parts.push(String(request.holdSequence));
  }
  if (request.kind === "capture-hold") {
    const { final, metadata, effectiveTime } = request;
    parts.push(String(final), formOfNotes(metadata), formOfTime(effectiveTime));
  }
  return digest(kind, parts);
}

function formOfExpiration(
  expiration: Extract<HoldCommand, { kind: "create-hold" }>["expiration"],
): Form {
  if (!expiration) return [];
  return "at" in expiration
    ? ["at", formOfTime(expiration.at)]
    : ["after", formOfTime(expiration.after)];
}

/** By key and then by value, compared by code point as UTF-8 bytes are. */
export function sortedNotes(metadata: readonly Note[]): Note[] {
  return metadata.toSorted((a, b) => {
    return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || compareValues(a, b);
  });
}

function compareValues(a: Note, b: Note): number {
  return Buffer.compare(Buffer.from(a.value), Buffer.from(b.value));
}

type Form = string | readonly Form[];

function digest(kind: string, parts: readonly Form[]): string {
  const form = [`bursar.ledger.request/${formatVersion}`, kind, ...parts];
  return createHash("sha256").update(canonical(form)).digest("hex");
}

/** A text is its length in bytes, a colon and itself; a list is its count in brackets and its items. */
function canonical(form: Form): string {
  if (typeof form === "string") return `${Buffer.byteLength(form)}:${form}`;
  return `[${form.length}]${form.map(canonical).join("")}`;
}
