// What a sample is, and what every provider's samples are made of: ids, times and
// amounts as that provider writes them.

import { randomBytes, randomInt } from "node:crypto";
import { currencyScale } from "#mesh/money/currency.ts";

export type Asked = {
  /** In minor units. */
  readonly amount: number;
  /** In either case; each provider writes it in its own. */
  readonly currency: string;
  /** Ours at the provider, for those that sign it in the body. */
  readonly account: string;
  readonly orderId?: string | undefined;
  readonly paymentId?: string | undefined;
  /** Of the refund, dispute or payout. */
  readonly id?: string | undefined;
};

/**
 * By the provider's own name of the type. Where one type says several things, `+` and the word that
 * tells them apart follow: `payment.updated+failed`. Text is sent as it is, all else as JSON.
 */
export type Samples = Readonly<Record<string, (asked: Asked) => object | string>>;

/** What was asked for is nothing that the provider could send. */
export class Impossible extends Error {
  override name = "Impossible";
}

export function randomId(prefix: string): string {
  return `${prefix}${randomBytes(12).toString("hex")}`;
}

/** The id that was asked for, or a new one, of a provider whose ids are numbers. */
export function digitsOf(id: string | undefined): string {
  if (id === undefined) return String(randomInt(10 ** 11, 10 ** 12));
  if (/^[1-9][0-9]{0,14}$/.test(id)) return id;
  throw new Impossible(`its ids are numbers of up to 15 digits, which ${id} is not`);
}

export function upper({ currency }: Asked): string {
  return currency.toUpperCase();
}

/** 4900 as `49.00`, with as many decimals as the currency has. */
export function decimalOf(asked: Asked): string {
  const scale = currencyScale(upper(asked));
  if (scale === undefined) throw new Impossible(`${asked.currency} is no currency of ISO 4217`);
  const digits = String(asked.amount).padStart(scale + 1, "0");
  if (scale === 0) return digits;
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

export function nowText(): string {
  return new Date().toISOString();
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Our order as the metadata of a provider. */
export function metadataOf({ orderId }: Asked): object {
  return orderId === undefined ? {} : { bursar_order_id: orderId };
}
