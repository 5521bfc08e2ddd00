import { expect, test } from "vitest";
import { createBreaker } from "./breaker.ts";

const poison = { suspects: 1, progressed: false };

test("a poisoned message on a quiet stream is buried at once, ten in a row and no more", () => {
  const breaker = createBreaker();
  const judged = Array.from({ length: 12 }, () => breaker.judge(poison));
  expect(judged).toEqual([...Array(10).fill("bury"), "pause", "pause"]);
});

test("a success starts the count again", () => {
  const breaker = createBreaker();
  for (let n = 0; n < 10; n++) breaker.judge(poison);
  expect(breaker.judge({ suspects: 0, progressed: true })).toBe("bury");
  expect(breaker.judge(poison)).toBe("bury");
});

test("a batch of nothing but repetitions says nothing", () => {
  const breaker = createBreaker();
  for (let n = 0; n < 10; n++) breaker.judge(poison);
  breaker.judge({ suspects: 0, progressed: false });
  expect(breaker.judge(poison)).toBe("pause");
});

test("four that fail together pause the consumer, unless another one is handled", () => {
  const breaker = createBreaker();
  expect(breaker.judge({ suspects: 3, progressed: false })).toBe("bury");
  expect(breaker.judge({ suspects: 4, progressed: false })).toBe("pause");
  expect(breaker.judge({ suspects: 400, progressed: true })).toBe("bury");
});
