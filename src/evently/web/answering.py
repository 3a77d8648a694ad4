"""How answers to questions are read from what a person sent, for the API and the pages alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from evently import questions
from evently.catalogue import Event
from evently.kit.errors import FieldError
from evently.questions import Asked, NewAnswer
from evently.sales.nouns import Booking
from evently.web.services import Request


class TypedAnswer(NamedTuple):
    """What a person sent for a question. `pointer`: where it stood; `wording`: which words were shown."""

    pointer: str
    text: str
    wording: int | None


async def read_asked(request: Request, booking: Booking, *, fresh: bool = False) -> list[Asked]:
    """Return what the reader is asked about a booking, with the answers that count; in one statement.

    An event without questions costs nothing. `fresh`: as the questions are now, before answers are written.
    """
    context = request.context
    if fresh:
        context.questions.forget(booking.event_id)
    found = await context.questions.of_event(booking.event_id)
    if not found:
        return []
    answers = await questions.find_answers(context.database, booking, request.actor.id)
    return questions.asked_of(found, booking, request.actor.id, answers)


def check_typed(
    asked: Sequence[Asked], typed: Mapping[tuple[UUID, UUID], TypedAnswer], *, strict: bool = False
) -> tuple[list[NewAnswer], list[FieldError]]:
    """Return the answers among what was sent, by question and subject, and every error.

    `strict`: a required answer that is neither there nor sent is an error.
    """
    given, errors = list[NewAnswer](), list[FieldError]()
    for each in asked:
        question, sent = each.question, typed.get((each.question.question_id, each.subject_id))
        if sent is None:
            continue
        answer, wrong = questions.check_answer(question, sent.text, sent.pointer)
        if not wrong and answer is not None and sent.wording not in (None, question.wording):
            wrong = [FieldError(sent.pointer, "question-changed")]
        if not wrong and answer is not None and sent.wording is None and question.kind == "consent":
            wrong = [FieldError(sent.pointer, "wording-missing")]
        if not wrong and strict and answer is None and question.required:
            wrong = [FieldError(sent.pointer, "answer-missing")]
        errors += wrong
        if not wrong:
            given.append(NewAnswer(question, each.subject_id, answer, question.wording))
    return given, errors


async def save_answers(request: Request, event: Event, booking: Booking, given: Sequence[NewAnswer]) -> None:
    """Store answers of the reader. Refuses `answers-closed`."""
    context = request.context
    async with context.database.transaction() as tx:
        await questions.put_answers(tx, event, booking, request.actor.id, given, context.clock())
