"""Questions that organizers ask their buyers, and the answers.

    asking       what an organizer asks: add, change, retire, delete, copy to another event
    answering    what buyers answer, until when, and who reads it
    nouns        a question, an answer; which answers fit

An answer decides nothing about units, money or the door. So the engine does not know it, it is written
without the lock of its sale, and it is not in the journal, from which nothing can be erased
(docs/decisions/answers-beside-the-sale.md). Answers are personal data: none is ever logged.
"""

from evently.questions.answering import (
    QuestionReader,
    clear_answers,
    count_answers,
    count_answers_to,
    find_answers,
    find_door_answers,
    forget_person,
    list_answers_of,
    list_answers_to,
    list_given,
    put_answers,
    why_closed,
    why_unanswered,
)
from evently.questions.asking import (
    add_question,
    change_question,
    copy_questions,
    delete_question,
    find_last_edit,
    find_question,
    list_questions,
)
from evently.questions.nouns import (
    ANSWER_CHARACTERS_MAX,
    CONSENTED,
    Answer,
    AnswerOf,
    Asked,
    GivenAnswer,
    NewAnswer,
    Question,
    QuestionChanges,
    QuestionDraft,
    QuestionKind,
    QuestionsRefusal,
    asked_of,
    check_answer,
    unanswered,
)

__all__ = [
    "ANSWER_CHARACTERS_MAX",
    "CONSENTED",
    "Answer",
    "AnswerOf",
    "Asked",
    "GivenAnswer",
    "NewAnswer",
    "Question",
    "QuestionChanges",
    "QuestionDraft",
    "QuestionKind",
    "QuestionReader",
    "QuestionsRefusal",
    "add_question",
    "asked_of",
    "change_question",
    "check_answer",
    "clear_answers",
    "copy_questions",
    "count_answers",
    "count_answers_to",
    "delete_question",
    "find_answers",
    "find_door_answers",
    "find_last_edit",
    "find_question",
    "forget_person",
    "list_answers_of",
    "list_answers_to",
    "list_given",
    "list_questions",
    "put_answers",
    "unanswered",
    "why_closed",
    "why_unanswered",
]
