// What can be asked of a ledger, in the words of the reference model: plain values, amounts in
// bigint, times in nanoseconds since 1970. The model knows nothing of the service but its contract.

export type Key = { readonly code: string; readonly asset: string };
export type Kind = "asset" | "liability" | "equity" | "income" | "expense";
export type Side = "debit" | "credit";
export type Time = bigint;
export type Note = { readonly key: string; readonly value: string };
export type Leg = { readonly account: Key; readonly side: Side; readonly amount: bigint };
export type Limits = { readonly floor: bigint | undefined; readonly ceiling: bigint | undefined };

export type Range = {
  readonly gte?: bigint | undefined;
  readonly lte?: bigint | undefined;
  readonly eq?: bigint | undefined;
};

export type Precondition = {
  readonly account: Key;
  readonly balance?: Range | undefined;
  readonly available?: Range | undefined;
  readonly version?: bigint | undefined;
};

export type Post = {
  readonly kind: "post";
  readonly key: string;
  readonly legs: readonly Leg[];
  readonly description: string;
  readonly notes: readonly Note[];
  readonly effective: Time | undefined;
  readonly preconditions: readonly Precondition[];
  /** Empty: none. */
  readonly group: string;
};

export type Reverse = {
  readonly kind: "reverse";
  readonly key: string;
  readonly sequence: bigint;
  readonly description: string;
  /** Empty: all that is left. */
  readonly parts: readonly { readonly index: number; readonly amount: bigint }[];
  readonly notes: readonly Note[];
  readonly effective: Time | undefined;
};

export type UpdateAccount = {
  readonly kind: "update-account";
  readonly key: string;
  readonly account: Key;
  readonly change:
    | { readonly what: "notes"; readonly notes: readonly Note[] }
    | { readonly what: "limits"; readonly limits: Limits }
    | { readonly what: "freeze" | "unfreeze" | "close" };
  /** Zero: whatever it is. */
  readonly expected: bigint;
  readonly description: string;
};

export type CreateHold = {
  readonly kind: "create-hold";
  readonly key: string;
  readonly debit: Key;
  readonly credit: Key;
  readonly amount: bigint;
  readonly tolerance: bigint;
  readonly expiration: { readonly at: Time } | { readonly after: Time } | undefined;
  readonly description: string;
  readonly notes: readonly Note[];
};

export type IncreaseHold = {
  readonly kind: "increase-hold";
  readonly key: string;
  readonly hold: bigint;
  readonly amount: bigint;
  readonly description: string;
};

export type CaptureHold = {
  readonly kind: "capture-hold";
  readonly key: string;
  readonly hold: bigint;
  /** Zero: all that is left. */
  readonly amount: bigint;
  readonly final: boolean;
  readonly description: string;
  readonly notes: readonly Note[];
  readonly effective: Time | undefined;
};

export type VoidHold = {
  readonly kind: "void-hold";
  readonly key: string;
  readonly hold: bigint;
  /** Zero: all that is left. */
  readonly amount: bigint;
  readonly description: string;
};

export type ClosePeriod = {
  readonly kind: "close-period";
  readonly key: string;
  readonly end: Time;
  readonly description: string;
};

export type Release = {
  readonly kind: "release";
  readonly key: string;
  readonly sequence: bigint;
  readonly index: number;
  /** Undefined: where it belongs. */
  readonly account: Key | undefined;
  readonly description: string;
  readonly effective: Time | undefined;
};

/** What uses an idempotency key up. */
export type Keyed =
  | Post
  | Reverse
  | UpdateAccount
  | CreateHold
  | IncreaseHold
  | CaptureHold
  | VoidHold
  | ClosePeriod
  | Release;

export type CreateLedger = { readonly kind: "create-ledger"; readonly name: string };
export type RegisterAsset = {
  readonly kind: "register-asset";
  readonly asset: string;
  readonly scale: number;
};
export type CreateAccount = {
  readonly kind: "create-account";
  readonly account: Key;
  readonly accountKind: Kind;
  readonly limits: Limits;
  readonly notes: readonly Note[];
};

/** What is once in a ledger by what it is, without a key. */
export type Named = CreateLedger | RegisterAsset | CreateAccount;

/** Looks at the books as they were: what counted until a time, as known at a sequence. */
export type AsOf = { readonly effective: Time | undefined; readonly sequence: bigint };

/** A provider's fact. */
export type Payment = {
  readonly kind: "payment";
  readonly paymentId: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly fee: bigint;
  readonly tax: bigint;
  readonly occurred: Time;
};

export function nameOf({ code, asset }: Key): string {
  return `${code} ${asset}`;
}

/** Sorted by key, then by value, as bytes. Notes have no order of their own. */
export function sorted(notes: readonly Note[]): Note[] {
  const bytes = (text: string) => Buffer.from(text);
  return [...notes].sort((a, b) => {
    return bytes(a.key).compare(bytes(b.key)) || bytes(a.value).compare(bytes(b.value));
  });
}

/** Two requests are the same when these texts are. */
export function bodyOf(asked: Keyed | Named): string {
  const plain = "notes" in asked ? { ...asked, notes: sorted(asked.notes) } : asked;
  return JSON.stringify(plain, (name, value) => {
    if (typeof value === "bigint") return `${value}n`;
    return name === "notes" && Array.isArray(value) ? sorted(value) : value;
  });
}

/** Accounts that a request names. */
export function accountsOf(asked: Keyed): readonly Key[] {
  switch (asked.kind) {
    case "post":
      return [...asked.legs, ...asked.preconditions].map(({ account }) => account);
    case "update-account":
      return [asked.account];
    case "create-hold":
      return [asked.debit, asked.credit];
    case "release":
      return asked.account ? [asked.account] : [];
    default:
      return [];
  }
}
