"""Questions to buyers: what an organizer asks, and what buyers and holders of tickets answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import catalogue, questions, tickets
from evently.catalogue import Event
from evently.kit.errors import FieldError, Invalid, Refused
from evently.kit.ids import (
    BookingId,
    EventId,
    QuestionId,
    QuestionReference,
    TicketId,
    TicketReference,
    show_id,
)
from evently.kit.shapes import copy_fields
from evently.questions import (
    ANSWER_CHARACTERS_MAX,
    Asked,
    GivenAnswer,
    Question,
    QuestionChanges,
    QuestionDraft,
    QuestionsRefusal,
)
from evently.questions.nouns import (
    AtDoor,
    Bound,
    Choices,
    Hint,
    Kind,
    Label,
    Per,
    Position,
    Required,
    Retired,
    Wording,
)
from evently.sales.nouns import Booking
from evently.sales.outcomes import SalesRefusal
from evently.tickets import TicketsRefusal
from evently.web.answering import TypedAnswer, check_typed, read_asked, save_answers
from evently.web.edge.auth import SIGNED_IN, organizer, policy
from evently.web.edge.conditional import NO_STORE, etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import PageView
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, delete, get, patch, post
from evently.web.services import Request

_TAG: Final = "Organizer: questions"
_MANAGERS: Final = organizer("manager", "events:write")
_ANSWERS_SENT_MAX: Final = 2_000  # twenty questions about each of a hundred tickets
_SENT_BYTES_MAX: Final = 1_000_000

Answered = Annotated[datetime, msgspec.Meta(examples=["2027-03-01T09:00:00Z"])]
QuestionIdText = Annotated[str, msgspec.Meta(examples=["qst_01m7y4ef72ev2sxmcnxfse27zp"])]


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question, as its organizer sees it. `wording` counts the changes of its words.

    `answers`: how many there are, to earlier wordings too.
    """

    id: QuestionIdText
    kind: Kind
    asked_per: Per
    label: Label
    hint: Hint
    required: Required
    choices: Choices
    smallest: Bound | None
    largest: Bound | None
    ticket_type_ids: Annotated[list[str], msgspec.Meta(examples=[["tty_01m7y4ef72ev2sxmcnxfse27zp"]])] | None
    at_door: AtDoor
    position: Position
    retired: Retired
    wording: Wording
    answers: Annotated[int, msgspec.Meta(examples=[37])]


class AskedView(msgspec.Struct, frozen=True, kw_only=True):
    """A question about a booking, or about one of its tickets, and the answer of the caller.

    `answer`: a text; of the kind `number` its digits, of `date` such as `2027-05-20`, of `consent` `yes`.
    Null: there is none. `asked_again`: the caller consented to other words, which have changed since.
    """

    question_id: QuestionIdText
    ticket_id: str | None
    kind: Kind
    label: Label
    hint: Hint
    required: Required
    choices: Choices
    smallest: Bound | None
    largest: Bound | None
    wording: Wording
    answer: Annotated[str | None, msgspec.Meta(examples=["Vegetarian"])]
    answered_at: Answered | None
    asked_again: Annotated[bool, msgspec.Meta(examples=[False])]


class AnswersView(msgspec.Struct, frozen=True):
    """What the caller is asked. `missing`: required answers that are not there yet.

    `answerable_until`: the start of the event; null when nothing can be changed.
    """

    booking_id: str
    event_id: str
    missing: Annotated[int, msgspec.Meta(examples=[1])]
    answerable_until: Annotated[datetime | None, msgspec.Meta(examples=["2027-05-20T18:00:00Z"])]
    data: list[AskedView]


class AnswerBody(msgspec.Struct, forbid_unknown_fields=True):
    """An answer. `ticket_id`: where each ticket is asked. Null takes the answer back.

    `wording`: the number of the words that the person saw; a consent needs it, and other words are refused.
    """

    question_id: Annotated[QuestionReference, msgspec.Meta(examples=["qst_01m7y4ef72ev2sxmcnxfse27zp"])]
    answer: (
        Annotated[
            str,
            msgspec.Meta(examples=["Vegetarian"], extra_json_schema={"maxLength": ANSWER_CHARACTERS_MAX}),
        ]
        | None
    )
    ticket_id: (
        Annotated[TicketReference, msgspec.Meta(examples=["tkt_01m7y4ef72ev2sxmcnxfse27zp"])] | None
    ) = None
    wording: Wording | None = None


class AnswersBody(msgspec.Struct, forbid_unknown_fields=True):
    """Answers to change; the others stay as they are."""

    answers: Annotated[
        list[AnswerBody],
        msgspec.Meta(
            max_length=_ANSWERS_SENT_MAX,
            examples=[[{"question_id": "qst_01m7y4ef72ev2sxmcnxfse27zp", "answer": "Vegetarian"}]],
        ),
    ]


class GivenAnswerView(msgspec.Struct, frozen=True):
    """An answer with the words that its person saw. `reworded`: the question has other words now."""

    question_id: QuestionIdText
    ticket_id: str | None
    kind: Kind
    label: Label
    hint: Hint
    answer: Annotated[str, msgspec.Meta(examples=["Vegetarian"])]
    answered_at: Answered
    reworded: Annotated[bool, msgspec.Meta(examples=[False])]


# What organizers ask ----------------------------------------------------------------------------------------


@post(
    "/v1/events/{event_id}/questions",
    operation_id="addQuestion",
    summary="Add a question to buyers",
    description=(
        "Buyers answer while their tickets are held, and until the event starts. A required question must be "
        "answered before the booking is paid; where nothing is paid online, it stays open until it is "
        "answered. Answers are erased with the account of the person who gave them."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED),
    **policy(_MANAGERS),
)
async def add_question(
    request: Request, event_id: FromPath[EventId], data: JSONBody[QuestionDraft]
) -> Response[QuestionView]:
    """Add a question to the buyers of an event."""
    context = request.context
    async with context.database.transaction() as tx:
        added = await questions.add_question(tx, event_id, data, context.clock())
    context.questions.forget(event_id)
    answer = _answer_question(added, 0)
    answer.status_code = 201
    answer.headers["location"] = f"/v1/events/{show_id('evt', event_id)}/questions/{answer.content.id}"
    return answer


@get(
    "/v1/events/{event_id}/questions",
    operation_id="listQuestions",
    summary="List the questions of an event",
    tags=[_TAG],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def list_questions(request: Request, event_id: FromPath[EventId]) -> Response[PageView[QuestionView]]:
    """List the questions of an event in their order, retired ones too, in one page."""
    database = request.context.database
    counts = await questions.count_answers(database, event_id)
    found = await questions.list_questions(database, event_id)
    shown = [_show_question(each, counts.get(each.question_id, 0)) for each in found]
    return Response(PageView(shown, None), headers=NO_STORE)


@get(
    "/v1/events/{event_id}/questions/{question_id}",
    operation_id="getQuestion",
    summary="Get a question",
    tags=[_TAG],
    responses=problems(),
    **policy(organizer("manager", "events:read")),
)
async def get_question(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId]
) -> Response[QuestionView]:
    """Return a question with the number of its answers."""
    database = request.context.database
    found = await questions.find_question(database, event_id, question_id)
    counts = await questions.count_answers(database, event_id)
    return _answer_question(found, counts.get(question_id, 0))


@patch(
    "/v1/events/{event_id}/questions/{question_id}",
    operation_id="changeQuestion",
    summary="Change a question",
    description=(
        "Answers stay as they were given: to the words that their person saw. Other words of a consent are "
        "another consent, for which buyers are asked again."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(_MANAGERS),
)
async def change_question(
    request: Request,
    event_id: FromPath[EventId],
    question_id: FromPath[QuestionId],
    data: JSONBody[QuestionChanges],
) -> Response[QuestionView]:
    """Change a question."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        changed = await questions.change_question(
            tx, event_id, question_id, data, context.clock(), seen, request.actor.id
        )
    context.questions.forget(event_id)
    counts = await questions.count_answers(context.database, event_id)
    return _answer_question(changed, counts.get(question_id, 0))


@delete(
    "/v1/events/{event_id}/questions/{question_id}",
    operation_id="deleteQuestion",
    summary="Delete a question and its answers",
    description="Deletes every answer, too. To keep the answers and ask no more, set `retired`.",
    tags=[_TAG],
    responses=problems(412, 428),
    **policy(_MANAGERS),
)
async def delete_question(
    request: Request, event_id: FromPath[EventId], question_id: FromPath[QuestionId]
) -> Response[None]:
    """Delete a question with every answer to it."""
    context = request.context
    async with context.database.transaction() as tx:
        await questions.delete_question(tx, event_id, question_id, partial(require_if_match, request))
    context.questions.forget(event_id)
    return Response(None, headers=NO_STORE)


@get(
    "/v1/events/{event_id}/bookings/{booking_id}/answers",
    operation_id="listBookingAnswers",
    summary="List the answers about a booking",
    tags=["Organizer: bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(organizer("manager", "bookings:read")),
)
async def list_booking_answers(
    request: Request, event_id: FromPath[EventId], booking_id: FromPath[BookingId]
) -> Response[PageView[GivenAnswerView]]:
    """List what was answered about a booking of the organizer's event and its tickets, in one page."""
    booking = await request.context.bookings.get(booking_id)
    if booking.event_id != event_id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    subjects = [booking_id, *[ticket.ticket_id for ticket in booking.tickets]]
    given = await questions.list_given(request.context.database, event_id, subjects)
    return Response(PageView([show_given(each) for each in given], None), headers=NO_STORE)


# What buyers answer -----------------------------------------------------------------------------------------


@get(
    "/v1/bookings/{booking_id}/answers",
    operation_id="getAnswers",
    summary="Get my answers about a booking",
    tags=["Bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_answers(request: Request, booking_id: FromPath[BookingId]) -> Response[AnswersView]:
    """Return what the organizer asks the buyer about a booking, and the answers."""
    booking = await _booking_of_caller(request, booking_id)
    event = await catalogue.get_event(request.context.database, booking.event_id)
    return _answer(request, event, booking, await read_asked(request, booking))


@patch(
    "/v1/bookings/{booking_id}/answers",
    operation_id="changeAnswers",
    summary="Answer questions about a booking",
    description="All of the answers are stored, or none.",
    tags=["Bookings"],
    responses=problems(SalesRefusal.BOOKING_NOT_FOUND, QuestionsRefusal.ANSWERS_CLOSED),
    **policy(SIGNED_IN, body_bytes_max=_SENT_BYTES_MAX),
)
async def change_answers(
    request: Request, booking_id: FromPath[BookingId], data: JSONBody[AnswersBody]
) -> Response[AnswersView]:
    """Write answers of the buyer about a booking and the tickets that the buyer holds."""
    booking = await _booking_of_caller(request, booking_id)
    event = await catalogue.get_event(request.context.database, booking.event_id)
    asked = await read_asked(request, booking, fresh=True)
    await _write(request, event, booking, asked, data)
    return _answer(request, event, booking, await read_asked(request, booking))


@get(
    "/v1/tickets/{ticket_id}/answers",
    operation_id="getTicketAnswers",
    summary="Get my answers about a ticket",
    tags=["Tickets"],
    responses=problems(TicketsRefusal.TICKET_NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_ticket_answers(request: Request, ticket_id: FromPath[TicketId]) -> Response[AnswersView]:
    """Return what the organizer asks the person who holds a ticket, and the answers."""
    event, booking = await _booking_of_ticket(request, ticket_id)
    return _answer(request, event, booking, _about(ticket_id, await read_asked(request, booking)))


@patch(
    "/v1/tickets/{ticket_id}/answers",
    operation_id="changeTicketAnswers",
    summary="Answer questions about a ticket",
    description="For the person who holds the ticket: its buyer, or to whom it was passed on.",
    tags=["Tickets"],
    responses=problems(TicketsRefusal.TICKET_NOT_FOUND, QuestionsRefusal.ANSWERS_CLOSED),
    **policy(SIGNED_IN),
)
async def change_ticket_answers(
    request: Request, ticket_id: FromPath[TicketId], data: JSONBody[AnswersBody]
) -> Response[AnswersView]:
    """Write answers of the holder of a ticket."""
    event, booking = await _booking_of_ticket(request, ticket_id)
    asked = _about(ticket_id, await read_asked(request, booking, fresh=True))
    await _write(request, event, booking, asked, data)
    return _answer(request, event, booking, _about(ticket_id, await read_asked(request, booking)))


async def _booking_of_caller(request: Request, booking_id: UUID) -> Booking:
    booking = await request.context.bookings.get(booking_id)
    if booking.buyer_id != request.actor.id:
        raise Refused(SalesRefusal.BOOKING_NOT_FOUND)
    return booking


async def _booking_of_ticket(request: Request, ticket_id: UUID) -> tuple[Event, Booking]:
    issued, _ = await tickets.load_ticket_of_person(request.context.database, request.actor.id, ticket_id)
    return issued.event, issued.booking


def _about(ticket_id: UUID, asked: Sequence[Asked]) -> list[Asked]:
    return [each for each in asked if each.ticket is not None and each.ticket.ticket_id == ticket_id]


async def _write(
    request: Request, event: Event, booking: Booking, asked: Sequence[Asked], data: AnswersBody
) -> None:
    typed, errors = dict[tuple[UUID, UUID], TypedAnswer](), list[FieldError]()
    known = {(each.question.question_id, each.subject_id) for each in asked}
    for number, sent in enumerate(data.answers):
        key = (sent.question_id, sent.ticket_id or booking.booking_id)
        if key not in known:
            errors.append(FieldError(f"/answers/{number}/question_id", "not-asked"))
        elif key in typed:
            errors.append(FieldError(f"/answers/{number}/question_id", "given-twice"))
        else:
            typed[key] = TypedAnswer(f"/answers/{number}/answer", sent.answer or "", sent.wording)
    given, wrong = check_typed(asked, typed)
    if errors or wrong:
        raise Invalid([*errors, *wrong])
    await save_answers(request, event, booking, given)


def _answer(
    request: Request, event: Event, booking: Booking, asked: Sequence[Asked]
) -> Response[AnswersView]:
    now = request.context.clock()
    open_ = any(questions.why_closed(event, booking, each.ticket, now) is None for each in asked)
    view = AnswersView(
        show_id("bkg", booking.booking_id),
        show_id("evt", booking.event_id),
        questions.unanswered(asked),
        event.starts_at if open_ else None,
        [_show_asked(each) for each in asked],
    )
    return Response(view, headers=NO_STORE)


def _show_asked(asked: Asked) -> AskedView:
    answer = asked.answer
    return copy_fields(
        AskedView,
        asked.question,
        question_id=show_id("qst", asked.question.question_id),
        ticket_id=None if asked.ticket is None else show_id("tkt", asked.ticket.ticket_id),
        answer=None if answer is None else answer.answer,
        answered_at=None if answer is None else answer.answered_at,
        asked_again=asked.outdated,
    )


def show_given(given: GivenAnswer) -> GivenAnswerView:
    """Return an answer as organizers see it."""
    return copy_fields(
        GivenAnswerView,
        given,
        question_id=show_id("qst", given.question_id),
        ticket_id=None if given.ticket_id is None else show_id("tkt", given.ticket_id),
    )


def _answer_question(question: Question, answers: int) -> Response[QuestionView]:
    return Response(
        _show_question(question, answers), headers={"etag": etag_of(question.version), **NO_STORE}
    )


def _show_question(question: Question, answers: int) -> QuestionView:
    types = question.ticket_type_ids
    return copy_fields(
        QuestionView,
        question,
        id=show_id("qst", question.question_id),
        ticket_type_ids=None if types is None else [show_id("tty", each) for each in types],
        answers=answers,
    )


routes: Final = [
    add_question,
    list_questions,
    get_question,
    change_question,
    delete_question,
    list_booking_answers,
    get_answers,
    change_answers,
    get_ticket_answers,
    change_ticket_answers,
]
