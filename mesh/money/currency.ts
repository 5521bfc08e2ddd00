// Currencies as ISO 4217 counts them: how many digits a minor unit has. The runtime knows most codes,
// but its digits are those that people write (HUF 0, IQD 0), not those that providers count by (HUF
// 2, IQD 3); so every scale but the usual one stands here.

const usualScale = 2;

/** Currencies whose minor unit is not a hundredth. */
const otherScales: ReadonlyMap<string, number> = new Map([
  ...scaled(0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
  ...scaled(3, "BHD IQD JOD KWD LYD OMR TND"),
  ...scaled(4, "CLF UYW"),
]);

/** Units of account are currencies too, which the runtime leaves out. */
const codes: ReadonlySet<string> = new Set([
  ...Intl.supportedValuesOf("currency"),
  ...otherScales.keys(),
]);

/** Digits after the decimal point; undefined when ISO 4217 has no such currency. */
export function currencyScale(currencyCode: string): number | undefined {
  return codes.has(currencyCode) ? (otherScales.get(currencyCode) ?? usualScale) : undefined;
}

function scaled(scale: number, list: string): [string, number][] {
  return list.split(" ").map((code) => [code, scale]);
}
