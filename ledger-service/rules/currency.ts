// Currencies as ISO 4217 knows them. Which codes exist comes from the runtime; how many digits a
// minor unit has does not, because its tables follow custom (HUF 0, IQD 0) rather than the standard
// that providers count by (HUF 2, IQD 3).

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

/** Currencies whose minor unit is not a hundredth. */
const scales = new Map<string, number>();
for (const code of "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(" "))
  scales.set(code, 0);
for (const code of "BHD IQD JOD KWD LYD OMR TND".split(" ")) scales.set(code, 3);

/** Digits after the decimal point; undefined when ISO 4217 has no such currency. */
export function currencyScale(currencyCode: string): number | undefined {
  if (!currencies.has(currencyCode)) return undefined;
  return scales.get(currencyCode) ?? 2;
}
