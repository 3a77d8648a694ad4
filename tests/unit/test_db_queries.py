"""Named lists of columns in `.sql` files, and whether they are the fields of the structs that rows become."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from evently.accounts.codes import EmailCode
from evently.accounts.invitations import Invitation
from evently.accounts.keys import ApiKey
from evently.accounts.organizers import Organizer
from evently.accounts.passkeys import Passkey
from evently.accounts.people import Person
from evently.analytics import Revenue, Sums
from evently.catalogue import Event, Venue
from evently.checkin import Scanner
from evently.checkout import Payment, RefundRow
from evently.db import Queries, load_queries
from evently.notifications import Notification
from evently.organizing.rehearsing import Rehearsal
from evently.payments import DemoCharge, DemoEffect
from evently.questions import Question
from evently.sales.facts import TicketTypePut
from evently.sales.nouns import Booking, CheckIn, Scan, Ticket, Transfer, WaitlistEntry
from evently.sales.rules.state import Pool, Refund, Sale
from evently.sales.terms import PromoTerms, SeatBlockTerms, TicketTypeTerms
from evently.seating import SeatMapVersion
from evently.waitingroom.nouns import Entry, StoredRoom
from evently.webhooks.nouns import Delivery, Pending, Webhook

SOURCE: Final = Path(__file__).parents[2] / "src" / "evently"
FROM_OTHER_TABLES: Final = {
    Scanner: {"last_used_at"},
    Booking: {"currency", "tickets"},
    RefundRow: {"currency"},
    Delivery: {"status", "milliseconds"},
}
STRUCTS: Final[dict[tuple[str, str], Any]] = {  # by domain and list
    ("audit", "ticket_type_put"): TicketTypePut,
    ("catalogue", "event"): Event,
    ("catalogue", "venue"): Venue,
    ("accounts", "person"): Person,
    ("accounts", "email_code"): EmailCode,
    ("accounts", "organizer"): Organizer,
    ("accounts", "invitation"): Invitation,
    ("accounts", "api_key"): ApiKey,
    ("accounts", "passkey"): Passkey,
    ("questions", "question"): Question,
    ("webhooks", "webhook"): Webhook,
    ("webhooks", "pending"): Pending,
    ("webhooks", "delivery"): Delivery,
    ("organizing", "rehearsal"): Rehearsal,
    ("seating", "seat_map_version"): SeatMapVersion,
    ("sales", "sale"): Sale,
    ("sales", "pool"): Pool,
    ("sales", "ticket_type"): TicketTypeTerms,
    ("sales", "promo_code"): PromoTerms,
    ("sales", "booking"): Booking,
    ("sales", "ticket"): Ticket,
    ("sales", "waitlist_entry"): WaitlistEntry,
    ("sales", "refund"): Refund,
    ("sales", "transfer"): Transfer,
    ("sales", "scan"): Scan,
    ("sales", "check_in"): CheckIn,
    ("sales", "seat_block"): SeatBlockTerms,
    ("checkin", "scan"): Scan,
    ("checkin", "scanner"): Scanner,
    ("waitingroom", "room"): StoredRoom,
    ("waitingroom", "entry"): Entry,
    ("checkout", "payment"): Payment,
    ("checkout", "refund"): RefundRow,
    ("analytics", "sums"): Sums,
    ("analytics", "revenue"): Revenue,
    ("notifications", "notification"): Notification,
    ("payments", "demo_charge"): DemoCharge,
    ("payments", "demo_effect"): DemoEffect,
}
# Lists that only INSERT statements use: no row of them becomes a struct
INSERTED: Final = {
    ("sales", "placed_booking"),
    ("sales", "placed_ticket"),
    ("checkout", "begun_payment"),
    ("payments", "begun_charge"),
}


def test_a_list_of_columns_is_included_by_its_name() -> None:
    queries = Queries("""
-- columns: thing
-- A comment is not a column.
thing_id,
name;

-- name: list_things
SELECT {thing}, coalesce(tags, '{}') FROM things WHERE thing_id = :thing_id;

-- name: list_by_alias
SELECT {others.thing} FROM things AS others;

-- name: add_thing
INSERT INTO things ({thing}) VALUES ({:thing});
    """)
    assert queries.columns == {"thing": ("thing_id", "name")}
    assert queries.list_things(thing_id=1) == (
        "SELECT thing_id, name, coalesce(tags, '{}') FROM things WHERE thing_id = $1",
        1,
    )
    assert queries.add_thing(name="x", thing_id=1) == (
        "INSERT INTO things (thing_id, name) VALUES ($1, $2)",
        1,
        "x",
    )
    assert queries.list_by_alias.text == "SELECT others.thing_id, others.name FROM things AS others"


def test_a_list_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError, match="nothing"):
        Queries("-- name: find\nSELECT {nothing}")


def test_a_file_may_use_the_lists_of_its_domain() -> None:
    lists = load_queries("evently.sales.reads.waitlist").columns
    assert lists["waitlist_entry"] == WaitlistEntry.__struct_fields__


def lists_of_columns() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for path in sorted(SOURCE.rglob("*.sql")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if "migrations" not in parts:
            for name, columns in load_queries(".".join(("evently", *parts))).columns.items():
                yield parts[0], name, columns


def test_each_list_has_the_fields_of_its_struct_in_order() -> None:
    named = set()
    for domain, name, columns in lists_of_columns():
        named.add((domain, name))
        if (domain, name) not in INSERTED:
            assert columns == fields(STRUCTS[domain, name])[: len(columns)], name
    assert named == STRUCTS.keys() | INSERTED


@pytest.mark.parametrize("struct", [struct for struct in STRUCTS.values() if struct is not Sale])
def test_a_list_has_all_fields_of_its_struct(struct: Any) -> None:
    names = [each for each, named in STRUCTS.items() if named is struct]
    lists = {(domain, name): columns for domain, name, columns in lists_of_columns()}
    assert [lists[each] for each in names] == [fields(struct)] * len(names)


def fields(struct: Any) -> tuple[str, ...]:
    names = (
        struct.__struct_fields__
        if issubclass(struct, msgspec.Struct)
        else tuple(field.name for field in dataclasses.fields(struct))
    )
    return tuple(name for name in names if name not in FROM_OTHER_TABLES.get(struct, ()))
