import fc from "fast-check";
import { expect, test } from "vitest";
import { type Answer, decimalOf, foldedText, type GradedQuiz, gradeQuiz } from "./grade.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.log(`grade.test.ts runs with SEED=${seed}`);

const quiz: GradedQuiz = {
  passPercent: 67,
  questions: [
    {
      questionId: "colours",
      points: 1,
      kind: {
        case: "choice",
        choiceIds: ["red", "green", "loud"],
        rightIds: ["red", "green"],
        multiple: true,
      },
    },
    { questionId: "pi", points: 1, kind: { case: "number", answer: "3.14", tolerance: "0.01" } },
    { questionId: "city", points: 1, kind: { case: "text", accepted: ["São Paulo", "Straße"] } },
  ],
};
const one = {
  passPercent: 100,
  questions: [
    {
      questionId: "q",
      points: 1,
      kind: { case: "choice", choiceIds: ["a", "b"], rightIds: ["a"], multiple: false } as const,
    },
  ],
};

const choice = (...choiceIds: string[]): Answer => {
  return { questionId: "colours", given: { case: "choice", choiceIds } };
};
const number = (text: string): Answer => {
  return { questionId: "pi", given: { case: "number", number: text } };
};
const word = (text: string): Answer => ({ questionId: "city", given: { case: "text", text } });

function pointsOf(...answers: Answer[]): number | string {
  const outcome = gradeQuiz(quiz, answers);
  return outcome.kind === "graded" ? outcome.grade.points : outcome.refusal.reason;
}

test.each([
  ["all the right choices", choice("green", "red"), 1],
  ["one of the right choices", choice("red"), 0],
  ["a wrong choice beside the right ones", choice("red", "green", "loud"), 0],
  ["no choice", choice(), 0],
  ["the number itself", number("3.140"), 1],
  ["a number at the edge of the tolerance", number("3.15"), 1],
  ["a number a hair beyond it", number("3.150000000000001"), 0],
  ["a negative number", number("-3.14"), 0],
  ["the text in another case and with blanks", word("  são PAULO "), 1],
  ["the text with its accents apart", word("São Paulo".normalize("NFD")), 1],
  ["the text in full-width letters", word("São Ｐａｕｌｏ"), 1],
  ["a sharp s in capitals", word("STRASSE"), 1],
  ["another text", word("Rio"), 0],
  ["a question that is not there", { ...word("x"), questionId: "none" }, "question-unknown"],
  ["a choice that is not there", choice("red", "blue"), "choice-unknown"],
  ["a text for a number", { ...word("3.14"), questionId: "pi" }, "answer-invalid"],
  ["no number", number("3,14"), "answer-invalid"],
  ["a number that is written with an exponent", number("1e3"), "answer-invalid"],
  ["more digits than there are", number("3.1400000000000001"), "answer-invalid"],
])("%s earns %s", (_, answer, points) => {
  expect(pointsOf(answer)).toBe(points);
});

test("a question that is answered twice, or with two of one, is refused", () => {
  expect(pointsOf(number("3.14"), number("3.14"))).toBe("answer-invalid");
  const two: Answer = { questionId: "q", given: { case: "choice", choiceIds: ["a", "b"] } };
  expect(gradeQuiz(one, [two])).toMatchObject({ refusal: { reason: "answer-invalid" } });
});

test("a quiz without answers is wrong throughout", () => {
  expect(gradeQuiz(quiz, [])).toMatchObject({ grade: { points: 0, pointsMax: 3, passed: false } });
});

test("two thirds are less than 67 percent, and no less than 66", () => {
  const answers = [number("3.14"), word("straße")];
  expect(gradeQuiz(quiz, answers)).toMatchObject({ grade: { points: 2, passed: false } });
  const easier = { ...quiz, passPercent: 66 };
  expect(gradeQuiz(easier, answers)).toMatchObject({ grade: { passed: true } });
});

const units = fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n });

/** In units of 10⁻¹⁵, as decimal text. */
function textOf(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(16, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -15)}.${digits.slice(-15)}`;
}

test("a decimal number is exactly what it says", () => {
  fc.assert(
    fc.property(units, (value) => {
      expect(decimalOf(textOf(value))).toBe(value);
    }),
    { seed },
  );
});

test("a number is right exactly within the tolerance", () => {
  const near = fc.tuple(units, fc.bigInt({ min: 0n, max: 9n }), fc.bigInt({ min: -12n, max: 12n }));
  fc.assert(
    fc.property(near, ([answer, tolerance, off]) => {
      const kind = {
        case: "number",
        answer: textOf(answer),
        tolerance: textOf(tolerance),
      } as const;
      const numbers = { passPercent: 100, questions: [{ questionId: "n", points: 1, kind }] };
      const given = { case: "number", number: textOf(answer + off) } as const;
      const outcome = gradeQuiz(numbers, [{ questionId: "n", given }]);
      const passed = off <= tolerance && -off <= tolerance;
      expect(outcome).toMatchObject({ kind: "graded", grade: { passed } });
    }),
    { seed },
  );
});

test("how a text is encoded does not matter, nor what it is folded from", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const folded = foldedText(text);
      expect(foldedText(text.normalize("NFD"))).toBe(foldedText(text.normalize("NFC")));
      expect(foldedText(` ${text}\u00a0`)).toBe(folded);
    }),
    { seed },
  );
});

const anyAnswer: fc.Arbitrary<Answer> = fc.record({
  questionId: fc.oneof(fc.constantFrom("colours", "pi", "city"), fc.string()),
  given: fc.oneof(
    fc.record({
      case: fc.constant("choice" as const),
      choiceIds: fc.array(fc.oneof(fc.constantFrom("red", "green", "loud"), fc.string())),
    }),
    fc.record({ case: fc.constant("number" as const), number: fc.string() }),
    fc.record({ case: fc.constant("text" as const), text: fc.string() }),
  ),
});

test("whatever is answered has a grade or a refusal, in any order the same", () => {
  fc.assert(
    fc.property(fc.array(anyAnswer, { maxLength: 5 }), (answers) => {
      const outcome = gradeQuiz(quiz, answers);
      const reversed = gradeQuiz(quiz, answers.toReversed());
      expect(reversed.kind).toBe(outcome.kind);
      if (outcome.kind === "refused") return;
      expect(reversed).toEqual(outcome);
      expect(outcome.grade.results).toHaveLength(3);
    }),
    { seed, numRuns: 500 },
  );
});
