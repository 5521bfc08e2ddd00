import { expect, test } from "vitest";
import { localeChain, wantedLocales } from "./locale.ts";

test.each([
  ["nothing is asked for", [], ["de"], ["en"]],
  ["the first that there is", ["fr", "de"], ["de"], ["de", "en"]],
  ["all that there are, in order", ["fr", "de"], ["de", "fr"], ["fr", "de", "en"]],
  ["what a locale begins with", ["pt-BR"], ["pt"], ["pt", "en"]],
  ["the closest, then what it begins with", ["pt-BR"], ["pt", "pt-BR"], ["pt-BR", "pt", "en"]],
  ["a language in several scripts", ["zh-Hant-TW"], ["zh-Hant"], ["zh-Hant", "en"]],
  ["not another country's", ["pt"], ["pt-BR"], ["en"]],
  ["however it is written", ["PT-br"], ["pt-BR"], ["pt-BR", "en"]],
  ["nothing behind the default locale", ["en", "de"], ["de"], ["en"]],
  ["the default locale by what it begins with", ["en-US", "de"], ["de"], ["en"]],
])("%s", (_, locales, available, chain) => {
  expect(localeChain(locales, available, "en")).toEqual(chain);
});

test("preferences without end are not looked at", () => {
  expect(wantedLocales(Array.from({ length: 100 }, (_, n) => `x${n}-a-b`))).toHaveLength(30);
});
