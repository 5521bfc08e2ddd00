// What answers to a quiz are worth. Numbers are compared as whole multiples of 10⁻¹⁵ and shares as
// products, so that nothing is ever rounded; texts as readers see them, not as they are encoded.

export type Question = {
  readonly questionId: string;
  readonly points: number;
  readonly kind: QuestionKind;
};

export type QuestionKind =
  | {
      readonly case: "choice";
      readonly choiceIds: readonly string[];
      readonly rightIds: readonly string[];
      readonly multiple: boolean;
    }
  | { readonly case: "number"; readonly answer: string; readonly tolerance: string }
  | { readonly case: "text"; readonly accepted: readonly string[] };

export type GradedQuiz = {
  readonly questions: readonly Question[];
  /** From 1 to 100. */
  readonly passPercent: number;
};

export type Answer = {
  readonly questionId: string;
  readonly given:
    | { readonly case: "choice"; readonly choiceIds: readonly string[] }
    | { readonly case: "number"; readonly number: string }
    | { readonly case: "text"; readonly text: string };
};

export type AnswerRefusal =
  | { readonly reason: "question-unknown"; readonly questionId: string }
  | { readonly reason: "choice-unknown"; readonly questionId: string; readonly choiceId: string }
  | { readonly reason: "answer-invalid"; readonly questionId: string; readonly problem: string };

export type QuestionGrade = {
  readonly questionId: string;
  readonly correct: boolean;
  readonly points: number;
};

export type Grade = {
  readonly results: readonly QuestionGrade[];
  readonly points: number;
  readonly pointsMax: number;
  readonly passed: boolean;
};

export type GradeOutcome =
  | { readonly kind: "refused"; readonly refusal: AnswerRefusal }
  | { readonly kind: "graded"; readonly grade: Grade };

/** A question without an answer is wrong; what does not fit the quiz is refused, not wrong. */
export function gradeQuiz(quiz: GradedQuiz, answers: readonly Answer[]): GradeOutcome {
  const refusal = refuseAnswers(quiz, answers);
  if (refusal) return { kind: "refused", refusal };
  const byQuestion = new Map(answers.map((answer) => [answer.questionId, answer]));
  const results = quiz.questions.map(({ questionId, points, kind }) => {
    const answer = byQuestion.get(questionId);
    const correct = answer !== undefined && isRight(kind, answer.given);
    return { questionId, correct, points: correct ? points : 0 };
  });
  const points = sum(results);
  const pointsMax = sum(quiz.questions);
  const passed = points * 100 >= quiz.passPercent * pointsMax;
  return { kind: "graded", grade: { results, points, pointsMax, passed } };
}

/** The first answer at fault, in the order they were given. */
function refuseAnswers(
  { questions }: GradedQuiz,
  answers: readonly Answer[],
): AnswerRefusal | undefined {
  const kinds = new Map(questions.map(({ questionId, kind }) => [questionId, kind]));
  const seen = new Set<string>();
  for (const { questionId, given } of answers) {
    const kind = kinds.get(questionId);
    if (kind === undefined) return { reason: "question-unknown", questionId };
    const invalid = (problem: string): AnswerRefusal => {
      return { reason: "answer-invalid", questionId, problem };
    };
    if (seen.has(questionId)) return invalid("it is answered twice");
    seen.add(questionId);
    if (kind.case !== given.case) return invalid(`it is answered with a ${kind.case}`);
    if (kind.case === "choice" && given.case === "choice") {
      const choiceId = given.choiceIds.find((id) => !kind.choiceIds.includes(id));
      if (choiceId !== undefined) return { reason: "choice-unknown", questionId, choiceId };
      const several = new Set(given.choiceIds).size > 1;
      if (several && !kind.multiple) return invalid("only one of its choices may be chosen");
    }
    if (given.case === "number" && decimalOf(given.number) === undefined) {
      return invalid("expected a decimal number such as -3.50, up to 15 digits on each side");
    }
  }
  return undefined;
}

function isRight(kind: QuestionKind, given: Answer["given"]): boolean {
  if (kind.case === "choice" && given.case === "choice") {
    const [chosen, right] = [new Set(given.choiceIds), new Set(kind.rightIds)];
    return chosen.size === right.size && chosen.isSubsetOf(right);
  }
  if (kind.case === "number" && given.case === "number") {
    const [answer, right] = [decimalOf(given.number), decimalOf(kind.answer)];
    // Without an answer of the author's nothing is right.
    if (answer === undefined || right === undefined) return false;
    const off = answer < right ? right - answer : answer - right;
    return off <= (decimalOf(kind.tolerance) ?? 0n);
  }
  if (kind.case === "text" && given.case === "text") {
    const text = foldedText(given.text);
    return kind.accepted.some((accepted) => foldedText(accepted) === text);
  }
  return false;
}

const fractionDigits = 15;

/** In units of 10⁻¹⁵; undefined when it is no decimal number of ours. */
export function decimalOf(text: string): bigint | undefined {
  const match = /^(-?)(\d{1,15})(?:\.(\d{1,15}))?$/.exec(text.trim());
  if (!match) return undefined;
  const [, sign, whole = "", fraction = ""] = match;
  const units = BigInt(whole + fraction.padEnd(fractionDigits, "0"));
  return sign ? -units : units;
}

/** Upper case first: only so are the letters that have two lower-case forms, or none, one. */
export function foldedText(text: string): string {
  return text.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC").trim();
}

function sum(things: readonly { readonly points: number }[]): number {
  return things.reduce((total, { points }) => total + points, 0);
}
