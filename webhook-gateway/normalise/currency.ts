// Amounts as providers count them, in ISO 4217's minor units. A currency that is unknown, or
// whose unit the provider does not document, is refused and never guessed.

import { create } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { type Money, MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { currencyScale } from "#mesh/money/currency.ts";
import { refused, Unreadable } from "./outcome.ts";
import { type Payload, shown } from "./payload.ts";

// Stripe's own units (docs.stripe.com/currencies). ISK and UGX have no decimals but are sent as if
// they had two, always 00; MGA has two in ISO but none at Stripe. HUF and TWD are special for
// creating payouts only, their amounts have two decimals everywhere.
const stripeScales: ReadonlyMap<string, number> = new Map([
  ["ISK", 2],
  ["UGX", 2],
  ["MGA", 0],
]);

/** Currencies without two decimals that Stripe documents, in ISO's unit. */
const stripeAsIso: ReadonlySet<string> = new Set([
  ..."BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF".split(" "),
  ..."BHD JOD KWD OMR TND".split(" "),
]);

/** An amount as our own payload has it: ISO's minor units. */
export function isoMoney(amountMinor: bigint, currencyCode: string, path: string): Money {
  if (currencyScale(currencyCode) === undefined) throw unknownCurrency(currencyCode, path);
  return create(MoneySchema, { amountMinor, currencyCode });
}

/**
 * An amount as Stripe has it, in ISO's minor units; its currency may stand in an object around
 * it.
 */
export function stripeMoney(object: Payload, amountName: string, currencyOwner = object): Money {
  const currency = currencyOwner.text("currency");
  const currencyCode = currency.toUpperCase();
  const path = currencyOwner.pathOf("currency");
  // Stripe writes codes in lower case; another spelling is not Stripe's.
  const isoScale = /^[a-z]{3}$/.test(currency) ? currencyScale(currencyCode) : undefined;
  if (isoScale === undefined) throw unknownCurrency(currency, path);
  const scale = stripeScaleOf(currencyCode, isoScale);
  if (scale === undefined) throw unknownCurrency(currency, path);
  return scaledMoney(object, amountName, { currencyCode, isoScale, scale });
}

type Scales = {
  readonly currencyCode: string;
  readonly isoScale: number;
  /** What the provider counts by. */
  readonly scale: number;
};

function scaledMoney(
  object: Payload,
  amountName: string,
  { currencyCode, isoScale, scale }: Scales,
): Money {
  const amount = object.amount(amountName);
  if (scale <= isoScale) {
    const amountMinor = amount * 10n ** BigInt(isoScale - scale);
    return create(MoneySchema, { amountMinor, currencyCode });
  }
  const unit = 10n ** BigInt(scale - isoScale);
  if (amount % unit !== 0n) {
    throw new Unreadable(
      DeadLetterReason.AMOUNT_NOT_EXACT,
      `${object.pathOf(amountName)} must be a multiple of ${unit}, as ${currencyCode} has no ` +
        `smaller unit, got ${amount}`,
    );
  }
  return create(MoneySchema, { amountMinor: amount / unit, currencyCode });
}

function stripeScaleOf(currencyCode: string, isoScale: number): number | undefined {
  const asIso = isoScale === 2 || stripeAsIso.has(currencyCode);
  return stripeScales.get(currencyCode) ?? (asIso ? isoScale : undefined);
}

// Adyen's own units (docs.adyen.com, currency codes): four currencies are not counted as ISO does.
const adyenScales: ReadonlyMap<string, number> = new Map([
  ["CLP", 2],
  ["CVE", 0],
  ["IDR", 0],
  ["ISK", 2],
]);

/** Currencies without two decimals that Adyen lists, in ISO's unit. */
const adyenAsIso: ReadonlySet<string> = new Set([
  ..."DJF GNF JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" "),
  ..."BHD JOD KWD OMR TND".split(" "),
]);

/** Adyen's `amount`, in ISO's minor units. */
export function adyenMoney(amount: Payload): Money {
  const currencyCode = amount.text("currency");
  const isoScale = /^[A-Z]{3}$/.test(currencyCode) ? currencyScale(currencyCode) : undefined;
  const asIso = isoScale === 2 || adyenAsIso.has(currencyCode) ? isoScale : undefined;
  const scale = adyenScales.get(currencyCode) ?? asIso;
  if (isoScale === undefined || scale === undefined) {
    throw unknownCurrency(currencyCode, amount.pathOf("currency"));
  }
  return scaledMoney(amount, "value", { currencyCode, isoScale, scale });
}

/** An amount in hundredths, from a provider that documents no other unit. */
export function centsMoney(object: Payload, amountName: string): Money {
  const currencyCode = object.text("currency");
  if (!/^[A-Z]{3}$/.test(currencyCode) || currencyScale(currencyCode) !== 2) {
    throw unknownCurrency(currencyCode, object.pathOf("currency"));
  }
  return create(MoneySchema, { amountMinor: object.amount(amountName), currencyCode });
}

function unknownCurrency(code: string, path: string): Unreadable {
  return new Unreadable(
    DeadLetterReason.CURRENCY_UNKNOWN,
    `${path} must be a currency with a documented minor unit, got ${shown(code)}`,
  );
}

/**
 * An amount that a provider writes as decimal text, such as `"49.90"`, in ISO's minor units. Never
 * through a float; more decimals than the currency has are refused unless they are zeros.
 */
export function decimalMoney(
  object: Payload,
  amountName: string,
  currencyCode: string,
  text = object.text(amountName),
): Money {
  const path = object.pathOf(amountName);
  const scale = /^[A-Z]{3}$/.test(currencyCode) ? currencyScale(currencyCode) : undefined;
  if (scale === undefined) throw unknownCurrency(currencyCode, path);
  const [, sign, whole = "", decimals = ""] =
    /^(-?)(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,12}))?$/.exec(text) ?? [];
  const kept = decimals.slice(0, scale).padEnd(scale, "0");
  const amountMinor = whole === "" ? undefined : BigInt(whole + kept);
  const exact = amountMinor !== undefined && /^0*$/.test(decimals.slice(scale));
  if (!exact || amountMinor > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new Unreadable(
      DeadLetterReason.AMOUNT_NOT_EXACT,
      `${path} must be a plain decimal with up to ${scale} decimals, as ${currencyCode} has, ` +
        `got ${shown(text)}`,
    );
  }
  if (sign === "-" && amountMinor !== 0n) throw refused(`${path} is negative: ${shown(text)}`);
  return create(MoneySchema, { amountMinor, currencyCode });
}
