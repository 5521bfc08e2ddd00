// Ranks give the parts of a tree their order: text that sorts byte by byte. The
// first character says how many digits follow, so a rank at the end costs no
// length, and there is room to append digits to stand between two neighbours.

import assert from "node:assert/strict";

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The first rank, or the next one after the last. */
export function rankAfter(last: string | undefined): string {
  if (last === undefined) return "a0";
  const head = last[0] ?? "";
  // What was put before the first one sorts before every rank that starts with a length.
  if (/^[0-9A-Z]/.test(head)) return "a0";
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

/**
 * A rank after `low` and before `high`, as short as it can be; undefined stands for the beginning
 * and the end. It never ends with the lowest digit, so there is always room before it.
 */
export function rankBetween(low: string | undefined, high: string | undefined): string {
  if (high === undefined) return rankAfter(low);
  assert(low === undefined || low < high, `rank ${low} does not come before ${high}`);
  let rank = "";
  for (let place = 0; ; place += 1) {
    const from = low === undefined ? 0 : digitAt(low, place);
    // Once the rank is below `high` there is nothing above but the end of the digits.
    const to = rank === high.slice(0, place) ? digitAt(high, place) : digits.length;
    if (to - from > 1) return rank + digits[Math.floor((from + to) / 2)];
    rank += digits[from];
    assert(place < 10_000, `there is no rank between ${low} and ${high}`);
  }
}

function digitAt(rank: string, place: number): number {
  return place < rank.length ? digits.indexOf(rank[place] ?? "") : 0;
}

function textOf(number: readonly number[]): string {
  return number.map((digit) => digits[digit]).join("");
}
