"""A question, an answer, and which answers fit which question. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently.kit.errors import FieldError, Refusal
from evently.kit.ids import TicketTypeReference
from evently.kit.shapes import items, number, text
from evently.kit.visible import is_visible, misprints
from evently.sales.nouns import Booking, Ticket
from evently.sales.terms import TICKET_TYPES_MAX

QuestionKind: TypeAlias = Literal["text", "choice", "number", "date", "consent"]
AskedPer: TypeAlias = Literal["booking", "ticket"]

QUESTIONS_MAX: Final = 20  # of one event, retired ones included: nobody answers more
CHOICES_MAX: Final = 50
ANSWER_CHARACTERS_MAX: Final = 1_000  # a paragraph; the export has thousands of them
NUMBER_MAX: Final = 10**12  # digits that a spreadsheet shows exactly
POSITION_MAX: Final = 1_000
CONSENTED: Final = "yes"
YEARS: Final = (1900, 2200)
_NUMBER: Final = re.compile(r"-?\d{1,13}(?:[.,]\d{1,6})?")
_DATES: Final = (
    re.compile(r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})"),
    re.compile(r"(?P<day>\d{1,2})\.\s?(?P<month>\d{1,2})\.\s?(?P<year>\d{4})"),
)
_CONSENTS: Final = frozenset({"yes", "on", "true"})  # the values of check boxes, and of the API
_REFUSALS: Final = frozenset({"no", "off", "false"})

Label = Annotated[str, text(300, "What should we cook for you?")]
Hint = Annotated[str, text(2_000, "There is one menu for everybody.", blank=True, lines=True)]
Choice = Annotated[str, text(100, "Vegetarian")]
Choices = Annotated[tuple[Choice, ...], items(CHOICES_MAX, [["Vegetarian", "Vegan", "Fish"]])]
Bound = Annotated[int, number(-NUMBER_MAX, NUMBER_MAX, 18)]
Position = Annotated[int, number(1, POSITION_MAX, 1)]
AskedTypes = Annotated[
    tuple[TicketTypeReference, ...],
    items(
        TICKET_TYPES_MAX, [["tty_01m7y4ef72ev2sxmcnxfse27zp"]], "Only for these ticket types; null: for all."
    ),
]


Kind = Annotated[QuestionKind, msgspec.Meta(examples=["choice"])]
Per = Annotated[AskedPer, msgspec.Meta(examples=["ticket"])]
Required = Annotated[bool, msgspec.Meta(examples=[True])]
AtDoor = Annotated[bool, msgspec.Meta(examples=[True])]
Retired = Annotated[bool, msgspec.Meta(examples=[False])]
Wording = Annotated[int, msgspec.Meta(examples=[1])]


class QuestionsRefusal(Refusal):
    """Every refusal of this package."""

    ANSWERS_CLOSED = "answers-closed"
    ANSWERS_MISSING = "answers-missing"


class Question(msgspec.Struct, frozen=True):
    """What an organizer asks. `wording` numbers the label and the hint: an answer is to one of them."""

    event_id: UUID
    question_id: UUID
    kind: QuestionKind
    asked_per: AskedPer
    label: str
    hint: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    smallest: int | None = None
    largest: int | None = None
    ticket_type_ids: tuple[UUID, ...] | None = None
    at_door: bool = False
    position: int = 1
    retired: bool = False
    wording: int = 1
    version: int = 1

    def is_for(self, ticket_type_id: UUID) -> bool:
        """Return whether it is asked of tickets of this type."""
        return self.ticket_type_ids is None or ticket_type_id in self.ticket_type_ids


class QuestionDraft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new question.

    `asked_per`: once for a booking, or for each ticket. `choices` are for the kind `choice`, `smallest` and
    `largest` for the kind `number`. The words of a consent are `label`, and below it `hint`. With a required
    question, a booking cannot be paid without its answer. `at_door`: door members see the answers, too.
    """

    kind: Kind
    asked_per: Per = "booking"
    label: Label
    hint: Hint = ""
    required: Required = False
    choices: Choices = ()
    smallest: Bound | None = None
    largest: Bound | None = None
    ticket_type_ids: AskedTypes | None = None
    at_door: AtDoor = False


class QuestionChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes of a question. Its kind cannot change, nor whether each ticket has an answer.

    Answers stay as they were given: to the words that were shown, and of the choices that there were. Who
    consented to other words is asked again. A question that is `retired` is asked no more.
    """

    label: Label | UnsetType = UNSET
    hint: Hint | UnsetType = UNSET
    required: Required | UnsetType = UNSET
    choices: Choices | UnsetType = UNSET
    smallest: Bound | UnsetType | None = UNSET
    largest: Bound | UnsetType | None = UNSET
    ticket_type_ids: AskedTypes | UnsetType | None = UNSET
    at_door: AtDoor | UnsetType = UNSET
    position: Position | UnsetType = UNSET
    retired: Retired | UnsetType = UNSET


class Answer(msgspec.Struct, frozen=True):
    """What a person answered, to which wording."""

    question_id: UUID
    subject_id: UUID
    wording: int
    answer: str
    answered_at: datetime


class NewAnswer(NamedTuple):
    """An answer as it is stored; None takes it back. `wording`: the one that the person saw."""

    question: Question
    subject_id: UUID
    answer: str | None
    wording: int


class Asked(NamedTuple):
    """A question to a person, about a booking or about one of its tickets; `answer` is the one that counts.

    `outdated`: a consent to words that have changed since; it does not count.
    """

    question: Question
    ticket: Ticket | None
    subject_id: UUID
    answer: Answer | None
    outdated: bool = False


class GivenAnswer(msgspec.Struct, frozen=True):
    """An answer as the organizer and its person read it: with the words that the person saw.

    `ticket_id`: None for an answer about the whole booking. `reworded`: the question has other words now.
    """

    event_id: UUID
    booking_id: UUID
    ticket_id: UUID | None
    question_id: UUID
    kind: QuestionKind
    label: str
    hint: str
    answer: str
    answered_at: datetime
    reworded: bool

    @property
    def line(self) -> str:
        """The answer as one line, with its question: "What do you eat? Vegan", "Meal: Vegan"."""
        between = " " if self.label.endswith(("?", "!", ".", ":")) else ": "
        return f"{self.label}{between}{' '.join(self.answer.split())}"


class AnswerOf(msgspec.Struct, frozen=True):
    """An answer to one question, as its organizer reads it. `subject_id`: the ticket, or the booking.

    `person_name`: None when the account was closed. `reworded`: `label` are the words that were shown.
    """

    booking_id: UUID
    subject_id: UUID
    person_name: str | None
    seat_label: str | None
    label: str
    answer: str
    answered_at: datetime
    reworded: bool


def asked_of(
    questions: Sequence[Question],
    booking: Booking,
    holder_id: UUID,
    answers: Mapping[tuple[UUID, UUID], Answer],
) -> list[Asked]:
    """Return what a person is asked about a booking: as its buyer, then as the holder of its tickets.

    `answers`: by question and subject.
    """
    live = [ticket for ticket in booking.tickets if ticket.state != "void"]
    held = [ticket for ticket in live if (ticket.holder_id or booking.buyer_id) == holder_id]
    found = []
    for question in questions:
        if question.retired:
            continue
        if question.asked_per == "ticket":
            found += [_ask(question, each, answers) for each in held if question.is_for(each.ticket_type_id)]
        elif booking.buyer_id == holder_id and any(question.is_for(each.ticket_type_id) for each in live):
            found.append(_ask(question, None, answers, booking.booking_id))
    order = {ticket.ticket_id: index for index, ticket in enumerate(live, 1)}
    return sorted(found, key=lambda each: order[each.ticket.ticket_id] if each.ticket else 0)


def unanswered(asked: Sequence[Asked]) -> int:
    """Return how many required answers are missing."""
    return sum(each.question.required and each.answer is None for each in asked)


def check_answer(question: Question, typed: str, pointer: str) -> tuple[str | None, list[FieldError]]:
    """Return an answer as it is stored, None for none, and what is wrong with what was typed."""
    given = unicodedata.normalize("NFC", typed).replace("\r\n", "\n").strip()
    if not given:
        return None, []
    return _CHECKS[question.kind](question, given, pointer)


def _ask(
    question: Question,
    ticket: Ticket | None,
    answers: Mapping[tuple[UUID, UUID], Answer],
    booking_id: UUID | None = None,
) -> Asked:
    subject_id = ticket.ticket_id if ticket is not None else booking_id
    assert subject_id is not None, "a question is about a booking or a ticket"
    answer = answers.get((question.question_id, subject_id))
    outdated = question.kind == "consent" and answer is not None and answer.wording != question.wording
    return Asked(question, ticket, subject_id, None if outdated else answer, outdated)


def _check_text(question: Question, given: str, pointer: str) -> tuple[str | None, list[FieldError]]:  # noqa: ARG001
    if not is_visible(given):
        return None, [FieldError(pointer, "blank")]
    if len(given) > ANSWER_CHARACTERS_MAX:
        return None, [FieldError(pointer, "too-many-characters", {"characters_max": ANSWER_CHARACTERS_MAX})]
    if wrong := [FieldError(pointer, *each) for each in misprints(given, lines=True)]:
        return None, wrong
    return given, []


def _check_choice(question: Question, given: str, pointer: str) -> tuple[str | None, list[FieldError]]:
    if given not in question.choices:
        return None, [FieldError(pointer, "not-a-choice")]
    return given, []


def _check_number(question: Question, given: str, pointer: str) -> tuple[str | None, list[FieldError]]:
    plain = given.replace(" ", "").replace("\u2212", "-")
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        return None, [FieldError(pointer, "not-a-number")]
    value = Decimal(plain.replace(",", "."))
    smallest = -NUMBER_MAX if question.smallest is None else question.smallest
    largest = NUMBER_MAX if question.largest is None else question.largest
    if not smallest <= value <= largest:
        return None, [FieldError(pointer, "out-of-range", {"smallest": smallest, "largest": largest})]
    shown = f"{value:f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown, []


def _check_date(question: Question, given: str, pointer: str) -> tuple[str | None, list[FieldError]]:  # noqa: ARG001
    match = next((found for shape in _DATES if (found := shape.fullmatch(given))), None)
    if match is None or not given.isascii():
        return None, [FieldError(pointer, "not-a-date")]
    try:
        value = date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None, [FieldError(pointer, "no-such-day")]
    if not YEARS[0] <= value.year <= YEARS[1]:
        return None, [FieldError(pointer, "year-out-of-range", {"earliest": YEARS[0], "latest": YEARS[1]})]
    return value.isoformat(), []


def _check_consent(question: Question, given: str, pointer: str) -> tuple[str | None, list[FieldError]]:  # noqa: ARG001
    folded = given.lower()
    if folded in _CONSENTS:
        return CONSENTED, []
    return None, [] if folded in _REFUSALS else [FieldError(pointer, "not-a-consent")]


_CHECKS: Final = {
    "text": _check_text,
    "choice": _check_choice,
    "number": _check_number,
    "date": _check_date,
    "consent": _check_consent,
}
