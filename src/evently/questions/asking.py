"""What organizers ask. Each verb locks the row of the event, so that two editors take turns.

The words of a question are kept when they change: an answer is to the words that its person saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import asdict, replace

from evently import catalogue
from evently.catalogue import Event, LastEdit, Seen, whichever_version
from evently.db import Connection, Database, Record, load_queries
from evently.kit.complaints import Complaints
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import new_id
from evently.kit.shapes import copy_fields, fields_set
from evently.kit.visible import fold_name
from evently.questions.nouns import (
    POSITION_MAX,
    QUESTIONS_MAX,
    Question,
    QuestionChanges,
    QuestionDraft,
)
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import read_sale

sql: Final = load_queries(__name__)


async def list_questions(database: Database | Connection, event_id: UUID) -> list[Question]:
    """Return the questions of an event in their order, retired ones too."""
    rows = await database.fetch(*sql.list_questions(event_id=event_id, limit=QUESTIONS_MAX))
    return [_question(row) for row in rows]


async def find_question(database: Database | Connection, event_id: UUID, question_id: UUID) -> Question:
    """Return a question of an event; refuses with `not-found`."""
    rows = await database.fetch(*sql.find_question(event_id=event_id, question_id=question_id))
    if not rows:
        raise Refused(CommonRefusal.NOT_FOUND, "question")
    return _question(rows[0])


async def find_last_edit(database: Database, event_id: UUID, question_id: UUID) -> LastEdit:
    """Return who changed a question last, and when."""
    row = await database.fetch_row(*sql.find_last_edit(event_id=event_id, question_id=question_id))
    return LastEdit(None, None) if row is None else LastEdit(*row.values())


async def add_question(tx: Connection, event_id: UUID, draft: QuestionDraft, now: datetime) -> Question:
    """Add a question, the last of its event. Refuses `invalid`, `too-many-parts`, `event-cancelled`."""
    await _lock(tx, event_id)
    there = await list_questions(tx, event_id)
    if len(there) >= QUESTIONS_MAX:
        raise Refused(SalesRefusal.TOO_MANY_PARTS, "questions", count_max=QUESTIONS_MAX)
    last = max((each.position for each in there), default=0)
    made = copy_fields(
        Question, draft, event_id=event_id, question_id=new_id(), position=min(last + 1, POSITION_MAX)
    )
    made = await _checked(tx, draft, made)
    await tx.execute(*sql.add_question(**asdict(made), now=now))
    return made


async def change_question(
    tx: Connection,
    event_id: UUID,
    question_id: UUID,
    changes: QuestionChanges,
    now: datetime,
    seen: Seen = whichever_version,
    editor_id: UUID | None = None,
) -> Question:
    """Change a question; answers stay as they were given. Refuses `invalid`, and what `seen` refuses."""
    await _lock(tx, event_id)
    before = await find_question(tx, event_id, question_id)
    seen(before.version)
    after = await _checked(tx, changes, replace(before, **fields_set(changes)))
    if after == before:
        return before
    reworded = (after.label, after.hint) != (before.label, before.hint)
    after = replace(after, wording=before.wording + reworded, version=before.version + 1)
    values = asdict(after)
    del values["kind"], values["asked_per"]
    await tx.execute(*sql.change_question(**values, now=now, editor_id=editor_id))
    if reworded:
        await tx.execute(
            *sql.add_wording(
                event_id=event_id,
                question_id=question_id,
                wording=after.wording,
                label=after.label,
                hint=after.hint,
                now=now,
            )
        )
    return after


async def delete_question(
    tx: Connection, event_id: UUID, question_id: UUID, seen: Seen = whichever_version
) -> None:
    """Delete a question with every answer to it. Refuses `not-found`, and what `seen` refuses."""
    await catalogue.lock_event(tx, event_id)
    seen((await find_question(tx, event_id, question_id)).version)
    await tx.execute(*sql.delete_question(event_id=event_id, question_id=question_id))


async def copy_questions(
    tx: Connection, from_id: UUID, to_id: UUID, types: Mapping[UUID, UUID], now: datetime
) -> None:
    """Ask the questions of one event at another, without answers; `types`: the new id of each ticket type.

    A question that was only for ticket types which the other event has not is left out.
    """
    for question in await list_questions(tx, from_id):
        kept = question.ticket_type_ids
        if kept is not None:
            kept = tuple([types[each] for each in kept if each in types])
        if question.retired or kept == ():
            continue
        copied = replace(
            question, event_id=to_id, question_id=new_id(), ticket_type_ids=kept, wording=1, version=1
        )
        await tx.execute(*sql.add_question(**asdict(copied), now=now))


async def _lock(tx: Connection, event_id: UUID) -> Event:
    event = await catalogue.lock_event(tx, event_id)
    if event.state == "cancelled":
        raise Refused(SalesRefusal.EVENT_CANCELLED, "no_more_changes")
    return event


async def _checked(tx: Connection, sent: msgspec.Struct, question: Question) -> Question:
    """Return a question as it is stored, or refuse with everything that is wrong with it."""
    complaints = Complaints()
    complaints.check("", sent)
    question = replace(
        question,
        label=question.label.strip(),
        hint=question.hint.replace("\r\n", "\n").strip(),
        choices=tuple([choice.strip() for choice in question.choices]),
    )
    folded = [fold_name(choice) for choice in question.choices]
    if question.kind == "choice" and len(folded) < 2:  # noqa: PLR2004  # with one there is nothing to choose
        complaints.about("/choices", "choices-missing")
    elif question.kind != "choice" and folded:
        complaints.about("/choices", "choices-of-choice-only")
    for index, choice in enumerate(folded):
        if folded.index(choice) < index:
            complaints.about(f"/choices/{index}", "given-twice")
    if question.kind != "number":
        for field in ("smallest", "largest"):
            if getattr(question, field) is not None:
                complaints.about(f"/{field}", "bounds-of-number-only")
    elif (
        question.smallest is not None
        and question.largest is not None
        and question.smallest > question.largest
    ):
        complaints.about("/largest", "below-smallest")
    if question.ticket_type_ids is not None:
        types = (await read_sale(tx, question.event_id)).ticket_types
        if not question.ticket_type_ids:
            complaints.about("/ticket_type_ids", "no-ticket-types")
        for index, type_id in enumerate(question.ticket_type_ids):
            if type_id not in types:
                complaints.about(f"/ticket_type_ids/{index}", "unknown-ticket-type")
    complaints.refuse_if_any()
    return question


def _question(row: Record) -> Question:
    types = row["ticket_type_ids"]
    return Question(
        **{
            **row,
            "choices": tuple(row["choices"]),
            "ticket_type_ids": None if types is None else tuple(types),
        }
    )
