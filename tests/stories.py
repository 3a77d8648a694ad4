"""Stories about one sale, told in lines such as `book A 6 -> booked` to the rules with rows in memory.

A story starts with a hall of 10 and a ticket type `std` of it (1000, at most 10 in one booking), on sale for a day; or, where its first
line is `blank`, with a sale that is closed and has nothing. A line that begins with `&` is decided in the same batch as the line before.

    pool hall 10                 type std hall+balcony price=5 max=4 each=2 from=1h until=2h
    open, call-off, window 1h 2h, retire std, drop hall
    book A 6                     book A 2 std 1 vip key=k body=other         hold A 6 (for 15 minutes)
    confirm A, cancel A          cancel A 2 (of its tickets)                 cancel A by=B, cancel A by=organizer before=1h
    cancel A tickets=B           (those of another booking)                  cancel A tickets=void, tickets=used, tickets=twice
    use A 1 (scanned at the door), wait 15m, nothing (a batch that only takes back what is due)

A booking is called after its buyer, or `as=` something. Outcomes: the state of the booking (`booked` for confirmed), with `again` when
it is replayed; `done`; or the refusal. `left std -> 4`, `look hall -> held 0 sold 6 of 10` and `due A -> 5000` only look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from evently.sales.commands import (
    Booked,
    Booking,
    CancelBooking,
    CancelSale,
    ChangeSale,
    Command,
    ConfirmBooking,
    Done,
    ExpireHolds,
    Line,
    OpenSale,
    Outcome,
    PlaceBooking,
    PoolTerms,
    PutPool,
    PutTicketType,
    RemovePool,
    RetireTicketType,
    SetUpSale,
    TicketTypeTerms,
)
from tests.rows import Rows

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT: Final = UUID(int=1)
HOLD_SECONDS: Final = 900
PRELUDE: Final = """
    pool hall 10  -> done
    type std hall -> done
    open          -> done
"""
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass
class Told:
    """One line, taken apart: `book A 2 std key=k -> booked`."""

    line: str
    verb: str
    words: list[str]
    options: dict[str, str]
    expected: str


@dataclass
class Story:
    """A sale, a clock, and what its people and things are called."""

    rows: Rows = field(default_factory=Rows)
    now: datetime = NOON
    ids: dict[str, UUID] = field(default_factory=dict)
    called: dict[str, UUID] = field(default_factory=dict)  # bookings by name

    def id_of(self, name: str) -> UUID:
        return self.ids.setdefault(name, UUID(int=100 + len(self.ids)))

    def booking(self, name: str) -> Booking:
        return self.rows.bookings[self.called[name]]

    def at(self, span: str | None) -> datetime | None:
        return None if span is None else self.now + timedelta(**{_SPANS[span[-1]]: int(span[:-1])})


def tell(text: str) -> None:
    """Tell a story. An outcome that is not the one of its line is an AssertionError that quotes the line."""
    story = Story()
    story.rows.run([SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), (), ())], NOON)
    for batch in _batches(text.replace("blank", "") if "blank" in text else PRELUDE + text):
        aside = ASIDES.get(batch[0].verb)
        answers = _carry_out(story, batch) if aside is None else [aside(story, batch[0])]
        for told, answer in zip(batch, answers, strict=True):
            assert answer == told.expected, f"{told.line.strip()}, but: {answer}"
        story.rows.check()


def _batches(text: str) -> Iterator[list[Told]]:
    batch: list[Told] = []
    for line in filter(str.strip, text.splitlines()):
        if batch and not line.strip().startswith("&"):
            yield batch
            batch = []
        batch.append(_parse(line))
    yield batch


def _parse(line: str) -> Told:
    asked, arrow, expected = line.strip().removeprefix("&").partition("->")
    verb, *words = asked.split()
    options = dict(word.split("=") for word in words if "=" in word)
    return Told(line, verb, [word for word in words if "=" not in word], options, expected.strip() if arrow else "")


def _carry_out(story: Story, batch: list[Told]) -> list[str]:
    outcomes = story.rows.run([COMMANDS[told.verb](story, told) for told in batch], story.now)
    for told, outcome in zip(batch, outcomes, strict=True):
        if told.verb in {"book", "hold"} and isinstance(outcome, Booked):
            story.called[told.options.get("as", told.words[0])] = outcome.booking.booking_id
    return [_show(outcome) for outcome in outcomes]


def _show(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return "done"
    if isinstance(outcome, Booked):
        state = "booked" if outcome.booking.state == "confirmed" else outcome.booking.state
        return f"{state} again" if outcome.replayed else state
    return outcome.refusal.value


# What only looks, or happens outside the till -----------------------------------------------------------------------------


def _wait(story: Story, told: Told) -> str:
    later = story.at(told.words[0])
    assert later is not None
    story.now = later
    return ""


def _use(story: Story, told: Told) -> str:
    story.rows.use(story.booking(told.words[0]), int(told.words[1]))
    return ""


def _left(story: Story, told: Told) -> str:
    assert story.rows.sale is not None
    return str(story.rows.sale.available(story.rows.sale.ticket_types[story.id_of(told.words[0])]))


def _look(story: Story, told: Told) -> str:
    assert story.rows.sale is not None
    pool = story.rows.sale.pools[story.id_of(told.words[0])]
    return f"held {pool.held} sold {pool.sold} of {pool.capacity}"


def _amount_due(story: Story, told: Told) -> str:
    return str(story.booking(told.words[0]).total_minor())


ASIDES: Final[dict[str, Callable[[Story, Told], str]]] = {"wait": _wait, "use": _use, "left": _left, "look": _look, "due": _amount_due}


# What is asked of the till ------------------------------------------------------------------------------------------------


def _place(story: Story, told: Told) -> Command:
    buyer, *said = told.words
    pairs = list(zip(said[::2], said[1::2] if len(said) > 1 else ["std"], strict=True))
    lines = tuple(Line(story.id_of(name), int(quantity)) for quantity, name in pairs)
    hold_seconds = HOLD_SECONDS if told.verb == "hold" else None
    return PlaceBooking(EVENT, story.id_of(buyer), lines, hold_seconds, told.options.get("key"), _fingerprint(told))


def _cancel(story: Story, told: Told) -> Command:
    name, *count = told.words
    named = story.called.get(name, story.id_of(name))
    ticket_ids = _tickets(story, name, told.options.get("tickets"), int(count[0]) if count else None)
    asks = told.options.get("by", name)
    buyer_id = None if asks == "organizer" else story.id_of(asks)
    before = story.at(told.options.get("before"))
    return CancelBooking(EVENT, named, story.id_of(asks), buyer_id, ticket_ids, before, told.options.get("key"), _fingerprint(told))


def _tickets(story: Story, name: str, which: str | None, count: int | None) -> tuple[UUID, ...] | None:
    if which is None and count is None:
        return None
    if which in {"void", "used"}:
        return tuple(ticket.ticket_id for ticket in story.booking(name).tickets if ticket.state == which)
    valid = [ticket.ticket_id for ticket in story.booking(which if which in story.called else name).tickets if ticket.state == "valid"]
    return (valid[0], valid[0]) if which == "twice" else tuple(valid[:count])


def _fingerprint(told: Told) -> bytes:
    return f"{told.verb} {told.words} {told.options.get('body')}".encode()


def _put_type(story: Story, told: Told) -> Command:
    name, pools = told.words
    options = told.options
    terms = TicketTypeTerms(
        ticket_type_id=story.id_of(name),
        name=name,
        description="",
        position=1,
        price_minor=int(options.get("price", "1000")),
        per_booking_max=int(options.get("max", "10")),
        pool_ids=tuple(story.id_of(pool) for pool in pools.split("+")),
        per_buyer_max=int(options["each"]) if "each" in options else None,
        on_sale_at=story.at(options.get("from")),
        off_sale_at=story.at(options.get("until")),
    )
    return PutTicketType(EVENT, terms)


def _put_pool(story: Story, told: Told) -> Command:
    name, capacity = told.words
    return PutPool(EVENT, PoolTerms(story.id_of(name), name, int(capacity)))


def _window(story: Story, told: Told) -> Command:
    on_sale_at, off_sale_at = (story.at(span) for span in told.words)
    assert on_sale_at is not None
    assert off_sale_at is not None
    return ChangeSale(EVENT, on_sale_at, off_sale_at)


COMMANDS: Final[dict[str, Callable[[Story, Told], Command]]] = {
    "book": _place,
    "hold": _place,
    "confirm": lambda story, told: ConfirmBooking(EVENT, story.called.get(told.words[0], EVENT)),
    "cancel": _cancel,
    "nothing": lambda _story, _told: ExpireHolds(EVENT),
    "pool": _put_pool,
    "type": _put_type,
    "open": lambda _story, _told: OpenSale(EVENT),
    "call-off": lambda _story, _told: CancelSale(EVENT),
    "window": _window,
    "retire": lambda story, told: RetireTicketType(EVENT, story.id_of(told.words[0])),
    "drop": lambda story, told: RemovePool(EVENT, story.id_of(told.words[0])),
}
