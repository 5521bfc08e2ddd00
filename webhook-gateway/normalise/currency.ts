// Currencies and their minor units. A currency that is unknown, or whose unit
// the provider does not document, is refused and never guessed.

import { create } from "@bufbuild/protobuf";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { type Money, MoneySchema } from "#gen/bursar/money/v1/money_pb.ts";
import { Unreadable } from "./outcome.ts";
import { type Payload, shown } from "./payload.ts";

const known: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

// ISO 4217 minor units where they are not two. Intl cannot be asked: its digits
// are those people write (ALL, HUF, PKR: none), not those of ISO.
const isoScales = scaleTable([
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
]);

// Stripe's units where they are not two decimals (docs.stripe.com/currencies).
// ISK and UGX have no decimals but are sent as if they had two, always 00; MGA
// has two in ISO but none at Stripe. HUF and TWD are special for creating
// payouts only, their amounts have two decimals everywhere.
const stripeScales = scaleTable([
  [0, "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"],
  [2, "ISK UGX"],
  [3, "BHD JOD KWD OMR TND"],
]);

/** An amount as our own payload has it: ISO's minor units. */
export function isoMoney(amountMinor: bigint, currencyCode: string, path: string): Money {
  if (!known.has(currencyCode)) throw unknownCurrency(currencyCode, path);
  return create(MoneySchema, { amountMinor, currencyCode });
}

/** An amount as Stripe has it, in ISO's minor units; its currency may stand in an object around it. */
export function stripeMoney(object: Payload, amountName: string, currencyOwner = object): Money {
  const currency = currencyOwner.text("currency");
  const currencyCode = currency.toUpperCase();
  const path = currencyOwner.pathOf("currency");
  // Stripe writes codes in lower case; another spelling is not Stripe's.
  if (!/^[a-z]{3}$/.test(currency) || !known.has(currencyCode)) {
    throw unknownCurrency(currency, path);
  }
  const isoScale = isoScales.get(currencyCode) ?? 2;
  const scale = stripeScales.get(currencyCode) ?? 2;
  if (isoScale !== 2 && !stripeScales.has(currencyCode)) throw unknownCurrency(currency, path);

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

function unknownCurrency(code: string, path: string): Unreadable {
  return new Unreadable(
    DeadLetterReason.CURRENCY_UNKNOWN,
    `${path} must be a currency with a documented minor unit, got ${shown(code)}`,
  );
}

function scaleTable(rows: readonly (readonly [number, string])[]): ReadonlyMap<string, number> {
  return new Map(rows.flatMap(([scale, codes]) => codes.split(" ").map((code) => [code, scale])));
}
