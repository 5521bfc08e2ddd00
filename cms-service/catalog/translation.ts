// A block in another locale. Of a quiz only the texts are translated: what is
// asked, what can be chosen and what it earns is the same in every locale, or an
// answer would be graded by other questions than the learner read.

import type { Block, Choice, Question, Quiz } from "#gen/bursar/cms/v1/block_pb.ts";

/** The block itself where the translation is of another kind. */
export function translatedBlock(block: Block, translation: Block): Block {
  const { content } = block;
  if (translation.content.case !== content.case) return block;
  if (content.case === "quiz" && translation.content.case === "quiz") {
    const value = translatedQuiz(content.value, translation.content.value);
    return { ...block, content: { case: "quiz", value } };
  }
  return { ...block, content: translation.content };
}

function translatedQuiz(quiz: Quiz, { title, questions }: Quiz): Quiz {
  const byId = new Map(questions.map((question) => [question.questionId, question]));
  return {
    ...quiz,
    title: title || quiz.title,
    questions: quiz.questions.map((question) => {
      const translation = byId.get(question.questionId);
      return translation ? translatedQuestion(question, translation) : question;
    }),
  };
}

function translatedQuestion(question: Question, translation: Question): Question {
  return {
    ...question,
    promptMarkdown: translation.promptMarkdown || question.promptMarkdown,
    explanationMarkdown: translation.explanationMarkdown || question.explanationMarkdown,
    kind: translatedKind(question.kind, translation.kind),
  };
}

function translatedKind(kind: Question["kind"], translation: Question["kind"]): Question["kind"] {
  if (kind.case === "choice" && translation.case === "choice") {
    const byId = new Map(translation.value.choices.map((choice) => [choice.choiceId, choice]));
    const choices = kind.value.choices.map((choice): Choice => {
      const textMarkdown = byId.get(choice.choiceId)?.textMarkdown || choice.textMarkdown;
      return { ...choice, textMarkdown };
    });
    return { case: "choice", value: { ...kind.value, choices } };
  }
  if (kind.case === "text" && translation.case === "text") {
    // Who reads it in another locale answers in that one, or in the author's.
    const accepted = [...new Set([...kind.value.accepted, ...translation.value.accepted])];
    return { case: "text", value: { ...kind.value, accepted } };
  }
  return kind;
}
