// Quizzes and attempts between the wire and the rules that grade them.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Question as QuestionMessage, Quiz } from "#gen/bursar/cms/v1/block_pb.ts";
import type {
  QuestionResultSchema,
  QuizAnswer,
  RightAnswerSchema,
} from "#gen/bursar/cms/v1/quiz_service_pb.ts";
import type { Answer, Grade, GradedQuiz, QuestionKind } from "./grade.ts";

export function quizFromWire({ questions, passPercent }: Quiz): GradedQuiz {
  return {
    passPercent: passPercent || 100,
    questions: questions.map(({ questionId, points, kind }) => {
      return { questionId, points: points || 1, kind: kindFromWire(kind) };
    }),
  };
}

function kindFromWire(kind: QuestionMessage["kind"]): QuestionKind {
  switch (kind.case) {
    case "choice": {
      const { choices, multiple } = kind.value;
      const choiceIds = choices.map(({ choiceId }) => choiceId);
      const right = choices.filter(({ correct }) => correct);
      return {
        case: "choice",
        choiceIds,
        rightIds: right.map(({ choiceId }) => choiceId),
        multiple,
      };
    }
    case "number": {
      const { answer, tolerance } = kind.value;
      return { case: "number", answer, tolerance };
    }
    // One of a later release has no answer that we know to be right.
    default:
      return { case: "text", accepted: kind.value?.accepted ?? [] };
  }
}

export function answerFromWire({ questionId, answer }: QuizAnswer): Answer {
  switch (answer.case) {
    case "choice":
      return { questionId, given: { case: "choice", choiceIds: answer.value.choiceIds } };
    case "number":
      return { questionId, given: { case: "number", number: answer.value } };
    default:
      return { questionId, given: { case: "text", text: answer.value ?? "" } };
  }
}

/** Explanations always, what was right only where it is revealed. */
export function resultsToWire(
  quiz: Quiz,
  { results }: Grade,
  revealed: boolean,
): MessageInitShape<typeof QuestionResultSchema>[] {
  const byId = new Map(quiz.questions.map((question) => [question.questionId, question]));
  return results.map(({ questionId, correct, points }) => {
    const question = byId.get(questionId);
    const right = revealed && question ? { right: rightAnswerOf(question) } : {};
    const explanationMarkdown = question?.explanationMarkdown ?? "";
    return { questionId, correct, points, explanationMarkdown, ...right };
  });
}

function rightAnswerOf({ kind }: QuestionMessage): MessageInitShape<typeof RightAnswerSchema> {
  const rule = kindFromWire(kind);
  if (rule.case === "choice") return { choiceIds: [...rule.rightIds] };
  if (rule.case === "number") return { number: rule.answer, tolerance: rule.tolerance };
  return { accepted: [...rule.accepted] };
}
