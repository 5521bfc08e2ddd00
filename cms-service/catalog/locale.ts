// Which of the locales that something is written in is shown to a reader, who
// names some in order of preference. A locale also stands for what it begins
// with: who reads `pt-BR` is shown `pt` before anything less wanted.

/** The longest tag has three parts; more preferences than these are not looked at. */
const wantedMax = 30;

/** Every tag that would do, the best first, in lower case. */
export function wantedLocales(locales: readonly string[]): readonly string[] {
  const wanted = new Set<string>();
  for (const locale of locales) {
    const parts = locale.toLowerCase().split("-");
    for (let length = parts.length; length > 0; length--) {
      if (wanted.size < wantedMax) wanted.add(parts.slice(0, length).join("-"));
    }
  }
  return [...wanted];
}

/**
 * Those of the available locales to look in, one after the other, for each text.
 * The default locale has every text, so it is the last.
 */
export function localeChain(
  locales: readonly string[],
  available: Iterable<string>,
  defaultLocale: string,
): readonly string[] {
  const byTag = new Map([...available, defaultLocale].map((tag) => [tag.toLowerCase(), tag]));
  const chain: string[] = [];
  for (const wanted of wantedLocales(locales)) {
    const found = byTag.get(wanted);
    if (found === defaultLocale) break;
    if (found !== undefined) chain.push(found);
  }
  return [...chain, defaultLocale];
}
