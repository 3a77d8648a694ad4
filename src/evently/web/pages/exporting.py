"""What is stored about a person, as a file for that person (GDPR, articles 15 and 20).

Everything that Evently keeps under the person's id, in the words of the API. Not in it: secrets and hashes,
which prove rights and describe nobody, and what organizers see of a booking, which is the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec

from evently import attendees, checkout, notifications, push, questions, sales
from evently.accounts import acts, organizers, passkeys, people, sessions
from evently.attendees import ExportedName
from evently.db import Database
from evently.kit.cursors import Page
from evently.kit.ids import reference_of, show_id
from evently.kit.money import Money
from evently.notifications import Notification
from evently.questions import GivenAnswer
from evently.sales.nouns import Booking, Ticket, Transfer, WaitlistEntry
from evently.web.services import Request

ROWS_MAX: Final = 10_000  # of each list: more than a person books in a life; 10 MB
_PAGE: Final = 100
Row = TypeVar("Row")


async def export_person(request: Request) -> bytes:
    """Return what is stored about the reader, as JSON."""
    context, person_id = request.context, request.actor.id
    database, now = context.database, context.clock()
    bookings = await _all(
        lambda after: sales.reads.list_bookings_of_buyer(database, person_id, "all", now, _PAGE, after)
    )
    entries = await _all(
        lambda after: sales.reads.list_entries_of_buyer(database, person_id, _PAGE, after, live=False)
    )
    told = await _all(
        lambda after: notifications.list_notifications(database, person_id, _PAGE, after, unread=False)
    )
    address = await sales.reads.find_verified_address(database, person_id)
    transfers = await _all(
        lambda after: sales.reads.list_transfers_of_person(database, person_id, address, _PAGE, after)
    )
    done = await _all(lambda after: acts.list_acts(database, _PAGE, after, subject=show_id("per", person_id)))
    found: dict[str, Any] = {
        "exported_at": now,
        **await _account(database, person_id, now),
        "bookings": [_booking(each) for each in bookings],
        "cards": [
            {"booking_id": show_id("bkg", booking_id), "last_digits": digits}
            for booking_id, digits in await checkout.list_cards(database, person_id)
        ],
        "attendee_names": [_name(each) for each in await attendees.list_names_of(database, person_id)],
        "answers": [_answer(each) for each in await questions.list_answers_of(database, person_id)],
        "transfers": [_transfer(each.transfer, person_id) for each in transfers],
        "waitlist": [_entry(each) for each in entries],
        "notifications": [_notification(each) for each in told],
        "devices": [
            {"id": show_id("dev", each.device_id), "endpoint": each.endpoint, "created_at": each.created_at}
            for each in await push.list_devices(database, person_id)
        ],
        "done_by_administrators": [
            {"kind": each.kind, "at": each.at, "reason": each.reason} for each in done
        ],
        "notification_choices": await notifications.list_choices(database, person_id),
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2)


async def _account(database: Database, person_id: UUID, now: datetime) -> dict[str, Any]:
    person = await people.get_person(database, person_id)
    memberships = await _all(lambda after: organizers.list_memberships(database, person_id, _PAGE, after))
    return {
        "person": {
            "id": show_id("per", person_id),
            "name": person.name,
            "email": person.email,
            "email_verified_at": person.email_verified_at,
            "role": person.role,
            "created_at": person.created_at,
        },
        "passkeys": [
            {
                "id": show_id("pky", each.passkey_id),
                "name": each.name,
                "synced": each.synced,
                "created_at": each.created_at,
                "last_used_at": each.last_used_at,
            }
            for each in await passkeys.list_passkeys(database, person_id)
        ],
        "sessions": [
            {
                "id": show_id("ses", each.session_id),
                "created_at": each.created_at,
                "expires_at": each.expires_at,
            }
            for each in await sessions.list_sessions(database, person_id, now)
        ],
        "organizers": [
            {
                "id": show_id("org", each.organizer.organizer_id),
                "name": each.organizer.name,
                "role": each.role,
            }
            for each in memberships
        ],
    }


async def _all(read: Callable[[str | None], Awaitable[Page[Row]]]) -> list[Row]:
    """Return the rows of all pages of a list, newest first where the list is."""
    rows: list[Row] = []
    after: str | None = None
    while len(rows) < ROWS_MAX:
        page = await read(after)
        rows += page.data
        after = page.next_cursor
        if after is None:
            break
    return rows


def _booking(booking: Booking) -> dict[str, Any]:
    return {
        "id": show_id("bkg", booking.booking_id),
        "reference": reference_of(booking.booking_id),
        "event_id": show_id("evt", booking.event_id),
        "state": booking.state,
        "placed_at": booking.placed_at,
        "confirmed_at": booking.confirmed_at,
        "ended_at": booking.ended_at,
        "total": Money(booking.total_minor(), booking.currency),
        "refunded": Money(booking.refunded_minor, booking.currency),
        "tickets": [_ticket(each, booking.currency) for each in booking.tickets],
    }


def _name(given: ExportedName) -> dict[str, Any]:
    return {
        "ticket_id": show_id("tkt", given.ticket_id),
        "event_id": show_id("evt", given.event_id),
        "name": given.name,
        "changed_at": given.named_at,
    }


def _answer(given: GivenAnswer) -> dict[str, Any]:
    return {
        "event_id": show_id("evt", given.event_id),
        "booking_id": show_id("bkg", given.booking_id),
        "ticket_id": None if given.ticket_id is None else show_id("tkt", given.ticket_id),
        "question": given.label,
        "explanation": given.hint,
        "answer": given.answer,
        "answered_at": given.answered_at,
    }


def _transfer(transfer: Transfer, person_id: UUID) -> dict[str, Any]:
    """Return a transfer as its giver or its receiver may read it: neither sees the id of the other."""
    gave = transfer.giver_id == person_id
    return {
        "id": show_id("trf", transfer.transfer_id),
        "event_id": show_id("evt", transfer.event_id),
        "ticket_id": show_id("tkt", transfer.ticket_id),
        "side": "giver" if gave else "receiver",
        "address": transfer.address,
        "state": transfer.state,
        "offered_at": transfer.offered_at,
        "ended_at": transfer.ended_at,
    }


def _entry(entry: WaitlistEntry) -> dict[str, Any]:
    return {
        "id": show_id("wle", entry.entry_id),
        "event_id": show_id("evt", entry.event_id),
        "ticket_type_id": show_id("tty", entry.ticket_type_id),
        "quantity": entry.quantity,
        "state": entry.state,
        "joined_at": entry.joined_at,
    }


def _notification(notification: Notification) -> dict[str, Any]:
    return {
        "id": show_id("ntf", notification.notification_id),
        "event_id": show_id("evt", notification.event_id),
        "kind": notification.kind,
        "created_at": notification.created_at,
        "read_at": notification.read_at,
    }


def _ticket(ticket: Ticket, currency: str) -> dict[str, Any]:
    return {
        "id": show_id("tkt", ticket.ticket_id),
        "ticket_type_id": show_id("tty", ticket.ticket_type_id),
        "state": ticket.state,
        "seat": ticket.seat_label,
        "price": Money(ticket.total_minor(), currency),
    }
