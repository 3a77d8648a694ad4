"""The organizer's questions about a booking, as one form: all errors at once, nothing typed is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently import questions
from evently.catalogue import Event
from evently.kit.errors import FieldError, Refused
from evently.kit.ids import show_id
from evently.questions import CONSENTED, Asked, Question, QuestionsRefusal
from evently.sales.nouns import Booking
from evently.web.answering import TypedAnswer, check_typed, read_asked, save_answers
from evently.web.edge.problems import sentence_of
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, sentence_about
from evently.web.services import Request

FIELDS_MAX: Final = 5_000  # of the form: twenty questions about each of a hundred tickets, and their wordings
_RADIOS_MAX: Final = 6  # more choices are a list that opens
_INPUT_MODES: Final = {"number": "decimal", "date": "numeric"}


class QuestionField(NamedTuple):
    """A question on the page. `value`: what was typed, or is stored. `fixed`: it cannot change any more."""

    id: str
    question: Question
    value: str
    fixed: bool
    asked_again: bool
    missing: bool

    @property
    def shown(self) -> str:
        """How an answer reads that cannot change."""
        return "Agreed" if self.question.kind == "consent" and self.value else self.value or "No answer"

    @property
    def radios(self) -> bool:
        """Whether its choices stand side by side, instead of in a list that opens."""
        return len(self.question.choices) <= _RADIOS_MAX

    @property
    def mode(self) -> str:
        """The keyboard that a phone shows."""
        return _INPUT_MODES.get(self.question.kind, "text")


class QuestionGroup(NamedTuple):
    """The questions about the booking (`label` is empty), or about one ticket."""

    label: str
    fields: list[QuestionField]


class QuestionsOnPage(NamedTuple):
    """What the reader is asked about a booking. `until`: at the venue; None: nothing can change any more."""

    groups: list[QuestionGroup]
    wordings: list[tuple[str, int]]
    missing: int
    until: datetime | None
    errors: list[FormError]


async def show_questions(
    request: Request,
    event: Event,
    booking: Booking,
    labels: dict[UUID, str],
    typed: Form | None = None,
    errors: Sequence[FormError] = (),
    only: UUID | None = None,
) -> QuestionsOnPage | None:
    """Return the questions for the page of a booking; None where nothing is asked.

    `labels`: of the tickets. `typed` is shown again. `only`: those about one ticket.
    """
    if booking.state not in ("held", "confirmed"):
        return None
    asked = _about(only, await read_asked(request, booking))
    if not asked:
        return None
    now, wrong = request.context.clock(), {error.field for error in errors}
    groups = list[QuestionGroup]()
    for each in asked:
        label = "" if each.ticket is None else labels[each.ticket.ticket_id]
        if not groups or groups[-1].label != label:
            groups.append(QuestionGroup(label, []))
        fixed = questions.why_closed(event, booking, each.ticket, now) is not None
        groups[-1].fields.append(_show(each, typed, fixed=fixed, wrong=wrong))
    open_ = any(not field.fixed for group in groups for field in group.fields)
    shown = {each.question.question_id: each.question.wording for each in asked}
    return QuestionsOnPage(
        groups,
        [(show_id("qst", question_id), wording) for question_id, wording in shown.items()],
        questions.unanswered(asked),
        event.starts_at.astimezone(event.place.zone) if open_ else None,
        list(errors),
    )


async def save_typed(
    request: Request,
    event: Event,
    booking: Booking,
    form: Form,
    *,
    strict: bool = False,
    only: UUID | None = None,
) -> list[FormError]:
    """Store the answers that were typed, all or none; return what is wrong with them.

    `strict`: required answers that are missing are errors. Refuses `answers-closed`: only for answers that
    the form changes.
    """
    asked = _about(only, await read_asked(request, booking, fresh=True))
    typed, given = dict[tuple[UUID, UUID], TypedAnswer](), dict(form.pairs)
    for each in asked:
        field = _field_of(each)
        shown = given.get(f"wording_{show_id('qst', each.question.question_id)}", "")
        if (
            field not in given
            and (shown == "" or each.question.kind not in ("consent", "choice"))
            and not strict
        ):
            continue
        wording = int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 9 else None  # noqa: PLR2004
        typed[each.question.question_id, each.subject_id] = TypedAnswer(
            f"/{field}", given.get(field, ""), wording
        )
    answers, wrong = check_typed(asked, typed, strict=strict)
    if wrong:
        of_booking = {each.ticket_id: number for number, each in enumerate(booking.tickets, 1)}
        numbers = of_booking if only is None else {}
        return [_error_of(error, asked, numbers) for error in wrong]
    if answers:
        await save_answers(request, event, booking, answers)
    return []


def why_not_saved(exc: Refused, event: Event) -> str:
    """Return a refusal in words, with times on the clocks at the venue."""
    if exc.refusal is QuestionsRefusal.ANSWERS_CLOSED and exc.reason == "started":
        return f"Answers could be changed until {words.moment(event.starts_at_local)}. Nothing was saved."
    if exc.refusal is QuestionsRefusal.ANSWERS_MISSING:
        return "The organizer needs your answers before you pay. Your tickets stay held. Nothing was taken."
    return f"{sentence_of(exc)} Nothing was saved."


def _about(only: UUID | None, asked: list[Asked]) -> list[Asked]:
    return asked if only is None else [each for each in asked if each.subject_id == only]


def _show(asked: Asked, typed: Form | None, *, fixed: bool, wrong: set[str]) -> QuestionField:
    field = _field_of(asked)
    value = "" if asked.answer is None else asked.answer.answer
    if typed is not None and not fixed:
        value = typed.raw(field)
        if asked.question.kind == "consent":
            value = CONSENTED if value else ""
    missing = asked.question.required and asked.answer is None and field not in wrong
    return QuestionField(field, asked.question, value, fixed, asked.outdated, missing)


def _error_of(error: FieldError, asked: Sequence[Asked], numbers: Mapping[UUID, int]) -> FormError:
    """Return an error with the question that it is about, and the number of its ticket: for the summary."""
    each = next(each for each in asked if f"/{_field_of(each)}" == error.pointer)
    if error.code == "answer-missing" and each.question.kind == "consent":
        return FormError(
            _field_of(each), f"“{_short(each.question.label)}”: you need to agree to this to pay."
        )
    ticket = f"Ticket {numbers[each.subject_id]}, " if each.subject_id in numbers else ""
    return FormError(_field_of(each), f"{ticket}“{_short(each.question.label)}”: {sentence_about(error)}")


def _short(label: str) -> str:
    return label if len(label) <= 60 else f"{label[:58].rstrip()}…"  # noqa: PLR2004  # a line of a phone


def _field_of(asked: Asked) -> str:
    question = show_id("qst", asked.question.question_id)
    return question if asked.ticket is None else f"{question}_{show_id('tkt', asked.ticket.ticket_id)}"
