// Which of the database's text search configurations takes a locale's words
// apart: it knows their forms and which of them say nothing. Any other language
// is searched word by word, as it is written.

/** The one that every database has, for every other language. */
export const wordByWord = "simple";

const configs: Readonly<Record<string, string>> = {
  ar: "arabic",
  ca: "catalan",
  da: "danish",
  de: "german",
  el: "greek",
  en: "english",
  es: "spanish",
  eu: "basque",
  fi: "finnish",
  fr: "french",
  ga: "irish",
  hi: "hindi",
  hu: "hungarian",
  hy: "armenian",
  id: "indonesian",
  it: "italian",
  lt: "lithuanian",
  nb: "norwegian",
  ne: "nepali",
  nl: "dutch",
  nn: "norwegian",
  no: "norwegian",
  pt: "portuguese",
  ro: "romanian",
  ru: "russian",
  sr: "serbian",
  sv: "swedish",
  ta: "tamil",
  tr: "turkish",
  yi: "yiddish",
};

export function configOf(locale: string): string {
  const [language = ""] = locale.toLowerCase().split("-");
  return Object.hasOwn(configs, language) ? (configs[language] ?? wordByWord) : wordByWord;
}
