// Ranks give the parts of a tree their order: text that sorts byte by byte. The
// first character says how many digits follow, so a rank at the end costs no
// length, and there is room to append digits to stand between two neighbours.

import assert from "node:assert/strict";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The first rank, or the next one after the last. */
export function rankAfter(last: string | undefined): string {
  if (last === undefined) return "a0";
  const head = last[0] ?? "";
  assert(/[a-y]/.test(head), `rank ${last} does not start with a length`);

  const length = head.charCodeAt(0) - "a".charCodeAt(0) + 1;
  const number = [...last.slice(1, 1 + length)].map((digit) => digits.indexOf(digit));
  assert(number.length === length && !number.includes(-1), `rank ${last} is malformed`);

  for (let place = length - 1; place >= 0; place--) {
    const digit = number[place] ?? 0;
    if (digit + 1 < digits.length) {
      number[place] = digit + 1;
      return head + textOf(number);
    }
    number[place] = 0;
  }
  const nextHead = String.fromCharCode(head.charCodeAt(0) + 1);
  return nextHead + textOf([...number, 0]);
}

function textOf(number: readonly number[]): string {
  return number.map((digit) => digits[digit]).join("");
}
