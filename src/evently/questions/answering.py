"""What buyers answer. An answer counts while its person is the buyer, or holds the ticket it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from evently.accounts import people
from evently.catalogue import Event
from evently.db import Connection, Database, load_queries
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import Refused
from evently.kit.memory import Memory
from evently.questions.asking import list_questions
from evently.questions.nouns import Answer, AnswerOf, GivenAnswer, NewAnswer, Question, QuestionsRefusal
from evently.sales.nouns import Booking, Ticket

sql: Final = load_queries(__name__)

GIVEN_MAX: Final = 10_000  # answers of one person in an export: more than a person gives in a life
CHOICES_COUNTED_MAX: Final = 100  # with those that there were before
_KEPT_SECONDS: Final = 0.25  # as long as what pages show of an event
_EVENTS_MAX: Final = 1_000  # whose questions a process remembers; most have none


class QuestionReader:
    """The questions of events, remembered for a quarter of a second: pages of bookings ask for them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory: Memory[UUID, list[Question]] = Memory(_KEPT_SECONDS, _EVENTS_MAX)

    async def of_event(self, event_id: UUID) -> list[Question]:
        """Return the questions of an event in their order, without retired ones."""
        asked = await self._memory.get(event_id, partial(self._read, event_id))
        return [each for each in asked if not each.retired]

    async def any_at_door(self, event_id: UUID) -> bool:
        """Return whether people at the door see any answer; those to a retired question, too."""
        asked = await self._memory.get(event_id, partial(self._read, event_id))
        return any(each.at_door for each in asked)

    def forget(self, event_id: UUID) -> None:
        """Forget the questions of an event, because this process has just changed one."""
        self._memory.forget(event_id)

    async def _read(self, event_id: UUID) -> list[Question]:
        return await list_questions(self._database, event_id)


def why_closed(event: Event, booking: Booking, ticket: Ticket | None, now: datetime) -> Refused | None:
    """Return why an answer about a booking, or about one of its tickets, cannot change; None when it can."""
    if event.state == "cancelled":
        return Refused(QuestionsRefusal.ANSWERS_CLOSED, "event_cancelled")
    lapsed = booking.state == "held" and booking.expires_at is not None and booking.expires_at <= now
    if lapsed or booking.state not in ("held", "confirmed"):
        return Refused(QuestionsRefusal.ANSWERS_CLOSED, "booking_ended")
    if ticket is not None and ticket.state == "void":
        return Refused(QuestionsRefusal.ANSWERS_CLOSED, "void")
    if ticket is not None and ticket.state == "used":
        return Refused(QuestionsRefusal.ANSWERS_CLOSED, "used")
    if now >= event.starts_at:
        return Refused(QuestionsRefusal.ANSWERS_CLOSED, "started", until=event.starts_at)
    return None


async def find_answers(
    database: Database | Connection, booking: Booking, holder_id: UUID
) -> dict[tuple[UUID, UUID], Answer]:
    """Return what a person answered about a booking and the tickets held, by question and subject."""
    subjects = [booking.booking_id] if holder_id == booking.buyer_id else []
    subjects += [
        each.ticket_id for each in booking.tickets if (each.holder_id or booking.buyer_id) == holder_id
    ]
    rows = await database.fetch(
        *sql.find_answers_about(
            event_id=booking.event_id, subject_ids=subjects, person_ids=[holder_id] * len(subjects)
        )
    )
    return {(row["question_id"], row["subject_id"]): Answer(**row) for row in rows}


async def put_answers(
    tx: Connection,
    event: Event,
    booking: Booking,
    person_id: UUID,
    given: Sequence[NewAnswer],
    now: datetime,
) -> None:
    """Write what a person answers about a booking and the tickets held; None takes an answer back.

    `given` was checked with `check_answer`. Only what differs is written: who sends the same answer again
    keeps its time. Refuses `answers-closed`; then nothing is written.
    """
    # Two changes by one person take turns, and none survives the erasure of the person
    await people.lock_person(tx, person_id)
    stored = await find_answers(tx, booking, person_id)
    changed = [
        each for each in given if _differs(each, stored.get((each.question.question_id, each.subject_id)))
    ]
    tickets = {each.ticket_id: each for each in booking.tickets}
    for each in changed:
        if (refused := why_closed(event, booking, tickets.get(each.subject_id), now)) is not None:
            raise refused
    taken = [each for each in changed if each.answer is None]
    if taken:
        await tx.execute(
            *sql.take_back(
                event_id=booking.event_id,
                question_ids=[each.question.question_id for each in taken],
                subject_ids=[each.subject_id for each in taken],
                person_id=person_id,
            )
        )
    written = [each for each in changed if each.answer is not None]
    if written:
        await tx.execute(
            *sql.put_answers(
                event_id=booking.event_id,
                booking_id=booking.booking_id,
                person_id=person_id,
                question_ids=[each.question.question_id for each in written],
                subject_ids=[each.subject_id for each in written],
                wordings=[each.wording for each in written],
                answers=[each.answer for each in written],
                now=now,
            )
        )


async def why_unanswered(database: Database, event_id: UUID, booking_id: UUID) -> Refused | None:
    """Return why a booking that was not paid yet cannot be paid: answers that are required are missing."""
    missing = await database.fetch_value(*sql.count_unanswered(event_id=event_id, booking_id=booking_id))
    return Refused(QuestionsRefusal.ANSWERS_MISSING, missing=missing) if missing else None


async def clear_answers(tx: Connection, event_ids: Sequence[UUID], ticket_ids: Sequence[UUID]) -> None:
    """Forget the answers about tickets that have got other holders. Harmless to repeat."""
    await tx.execute(*sql.clear_answers(event_ids=event_ids, ticket_ids=ticket_ids))


async def forget_person(tx: Connection, person_id: UUID) -> None:
    """Delete every answer that a person gave."""
    await tx.execute(*sql.forget_person(person_id=person_id))


async def list_answers_of(database: Database, person_id: UUID) -> list[GivenAnswer]:
    """Return the answers that a person gave, for that person."""
    rows = await database.fetch(*sql.list_answers_of(person_id=person_id, limit=GIVEN_MAX))
    return [GivenAnswer(**row) for row in rows]


async def count_answers(database: Database, event_id: UUID) -> dict[UUID, int]:
    """Return how many answers each question of an event has, for its organizer."""
    rows = await database.fetch(*sql.count_answers(event_id=event_id))
    return {row["question_id"]: row["answers"] for row in rows}


async def list_answers_to(
    database: Database, event_id: UUID, question_id: UUID, limit: int, after: str | None
) -> Page[AnswerOf]:
    """Return a page of the answers to a question for its organizer, the newest first."""
    position = (None, None) if after is None else read_cursor(after, tuple[datetime, UUID])
    rows = await database.fetch(
        *sql.list_answers_to(
            event_id=event_id,
            question_id=question_id,
            after_at=position[0],
            after_id=position[1],
            limit=limit + 1,
        )
    )
    found = [AnswerOf(**row) for row in rows[:limit]]
    last = found[-1] if found else None
    cursor = write_cursor((last.answered_at, last.subject_id)) if last and len(rows) > limit else None
    return Page(found, cursor)


async def count_answers_to(database: Database, question: Question) -> dict[str, int]:
    """Return how often each answer to a choice or a consent was given: choices that nobody took, too."""
    rows = await database.fetch(
        *sql.count_answers_to(
            event_id=question.event_id, question_id=question.question_id, limit=CHOICES_COUNTED_MAX
        )
    )
    return {row["answer"]: row["times"] for row in rows} | {
        choice: 0 for choice in question.choices if choice not in {row["answer"] for row in rows}
    }


async def list_given(
    database: Database | Connection, event_id: UUID, subject_ids: Sequence[UUID]
) -> list[GivenAnswer]:
    """Return the answers about some bookings and tickets of an event, in the order of its questions."""
    rows = await database.fetch(
        *sql.list_given(event_id=event_id, subject_ids=list(set(subject_ids)), at_door=False)
    )
    return [GivenAnswer(**row) for row in rows]


async def find_door_answers(
    database: Database, event_id: UUID, ticket_ids: Sequence[UUID]
) -> dict[UUID, list[GivenAnswer]]:
    """Return what people at the door see of the answers about some tickets and their bookings, by ticket."""
    if not ticket_ids:
        return {}
    rows = await database.fetch(
        *sql.list_bookings_of_tickets(event_id=event_id, ticket_ids=list(set(ticket_ids)))
    )
    booking_of: Mapping[UUID, UUID] = {row["ticket_id"]: row["booking_id"] for row in rows}
    subjects = list({*booking_of, *booking_of.values()})
    rows = await database.fetch(*sql.list_given(event_id=event_id, subject_ids=subjects, at_door=True))
    given = [GivenAnswer(**row) for row in rows]
    return {
        ticket_id: [
            each for each in given if each.booking_id == booking_id and each.ticket_id in (None, ticket_id)
        ]
        for ticket_id, booking_id in booking_of.items()
    }


def _differs(given: NewAnswer, stored: Answer | None) -> bool:
    if stored is None or given.answer is None:
        return (stored is None) != (given.answer is None)
    return (given.answer, given.wording) != (stored.answer, stored.wording)
