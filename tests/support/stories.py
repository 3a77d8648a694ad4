"""Stories about one sale, in lines such as `book A 6 -> booked`, run by the rules with rows in memory.

A story starts with a hall of 10 and a ticket type `std` of it (1000, at most 10 in one booking), on sale
for a day. If its first line is `blank`, it starts with a closed, empty sale. If it is `seated`, it starts
with two rows of six seats each in the stalls, which `std` sells, and a row of four in the balcony, which
`view` sells for 2000. A line that begins with `&` is decided in the same batch as the line before. Each
story is run three times: with a sale that stays in memory, with a sale that every batch loads again, and
with a sale of which a batch loads only the first waiting entry of each quantity.

    pool hall 10                 type std hall+balcony price=5 max=4 each=2 from=1h until=2h zone=stalls
    type std hidden=y            type std tax=19% tax-on-top=yes
    type parking lot needs=std+vip per-needed=1 (an add-on)
    open, call-off, call-off keep-door=yes, window 1h 2h, retire std, drop hall
    book A 6                     book A 2 std 1 vip key=k body=other         hold A 6 (for 15 minutes)
    book A 2 seats=A1,A2         book A 2 section=balcony accessible=1       book A 2 promo=FRIENDS
    confirm A, extend A          pay A (the amount due), pay A 500 with=other
    capture A, outside A 500     refund A, refund A how=never_paid
    cancel A, cancel A 2 (of its tickets), cancel A unpaid=yes
    cancel A by=B                cancel A by=organizer before=1h (the start; before=start as it is now)
    cancel A tickets=B           (those of another booking)
    cancel A tickets=void, tickets=used, tickets=twice
    join A 2 vip, join A 2 promo=FRIENDS, leave A, accept A, accept A promo=FRIENDS
    return A 1, keep A 1
    terms online hold=600 offer=3600 fee=50+5% fee-of=organizer fee-tax=19% window=48h:50% late=24h
    terms fee-kept=yes orphans=no holds=2 held-units=20 give-back=14
    promo FRIENDS percent 10 (or fixed 500, or fixed_per_booking 500, or unlock 0) for=std+vip uses=5
    promo FRIENDS percent 10 each=1 budget=3000
    promo FRIENDS from=1h until=2h units=2; unpromo FRIENDS
    seating stalls=A,B balcony=C, seating other stalls=A (another map), block A1,A2, unblock A1
    block A1,A2 as=partner until=1h (a block with a name), rename partner guests until=2h
    pass A 1 B (offer the first ticket of A's booking to B), pass A 1 C by=B key=k before=1h (the start)
    exchange A 1=B2 2=B3 (tickets of A's booking get these seats), exchange A 1=B2 key=k
    take A 1 by=B, refuse A 1 by=B, take-back A 1, give-back A 1 by=B (of that ticket's last offer)
    move 30d (a new start), move 30d elsewhere, move elsewhere; before it, the event starts in 60 days
    use A 1 (check in one of its tickets), wait 15m, nothing (a batch that only expires due holds)

    scan A 1 (its first ticket), scan A 1 out, scan A 1 scan=s1 for=vip+std reentry=yes from=1h until=2h
    scan A 1 offline=yes, scan A 1 forged=yes, scan A 1 old=yes (its code before it was passed on)
    scan nobody 1, undo s1

    room 30m (a waiting room that opens then), room 30m source=drand, no-room, close-list 3, draw value=7
    book A 1 admitted=yes, join A 1 admitted=yes

A booking or an entry is named after its buyer, or `as=` another name; the booking that was offered to A is
`A.offer`. Outcomes: the state of the booking (`booked` for confirmed) or of the entry, with `again` for a
replay; the result of a scan; `done`; or the refusal. These lines only read:

    left std -> 4                look hall -> held 0 sold 6 of 10 (aside 2)
    due A -> 5000, off A -> 4 3 3 (discounts)        refunded A -> 500, quote A before=2d -> 500
    row A -> .XX#..              seats A -> A2 A3
    blocks -> partner 2 until 60m, guests 3 (blocks of seats with a name)
    releases std -> 15m (units come free by the clock), releases std -> never
    holder A 1 -> B              code A 1 -> 2 (how many codes the ticket has had)
    entry A -> offered           aside std -> 2, uses FRIENDS -> 1 for 100
    ledger -> gateway 1000 fees -50 organizer -950 (accounts with a balance)
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, cast
from uuid import UUID

from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    BookingLine,
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    KeepTickets,
    OutsideRefund,
    PlaceBooking,
    RecordCapture,
    RecordOutsideRefunds,
    RecordRefund,
    ReturnTickets,
)
from evently.sales.commands.check_ins import ScanTicket, UndoScan
from evently.sales.commands.exchanges import ExchangeTickets
from evently.sales.commands.sale_terms import (
    CancelSale,
    ChangeSale,
    OpenSale,
    PutConditions,
    PutPool,
    PutPromoCode,
    PutTicketType,
    RemovePool,
    RescheduleEvent,
    RetirePromoCode,
    RetireTicketType,
    SetUpSale,
    WakeSale,
)
from evently.sales.commands.seats import BlockSeats, ChangeSeatBlock, PutSeating, UnblockSeats
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.commands.waiting_rooms import (
    CloseWaitingRoom,
    DrawWaitingRoom,
    PutWaitingRoom,
    RemoveWaitingRoom,
)
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, Ticket, Transfer, WaitlistEntry
from evently.sales.outcomes import Booked, Done, Listed, No, Outcome, Scanned, Transferred
from evently.sales.rules.pricing import promise_to, quote_cancellation
from evently.sales.states import SettledBy
from evently.sales.terms import (
    Conditions,
    Fees,
    PoolTerms,
    PromoKind,
    PromoTerms,
    RefundWindow,
    SeatBlockTerms,
    TicketTypeTerms,
)
from tests.support.halls import OTHER_HALL, SMALL_HALL
from tests.support.rows import Rows

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT: Final = UUID(int=1)
HOLD_SECONDS: Final = 900
SEED: Final = bytes(range(32))  # of every waiting room
PRELUDES: Final = {
    "": """
        pool hall 10  -> done
        type std hall -> done
        open          -> done
    """,
    "blank": "",
    "seated": """
        pool hall 100                            -> done
        seating stalls=A,B balcony=C             -> done
        type std hall zone=stalls                -> done
        type view hall zone=balcony price=2000   -> done
        open                                     -> done
    """,
}
_SPANS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass
class Told:
    """One line, taken apart: `book A 2 std key=k -> booked`."""

    line: str
    verb: str
    words: list[str]
    options: dict[str, str]
    expected: str

    def integer(self, name: str) -> int | None:
        return int(self.options[name]) if name in self.options else None


@dataclass
class Story:
    """A sale, a clock, and what its people and things are called."""

    rows: Rows = field(default_factory=Rows)
    now: datetime = NOON
    starts_at: datetime = NOON + timedelta(days=60)
    ids: dict[str, UUID] = field(default_factory=dict)
    called: dict[str, UUID] = field(default_factory=dict)  # bookings by name
    entered: dict[str, UUID] = field(default_factory=dict)  # waitlist entries by name

    def id_of(self, name: str) -> UUID:
        return self.ids.setdefault(name, UUID(int=100 + len(self.ids)))

    def booking_id(self, name: str) -> UUID:
        if name.endswith(".offer"):
            return self.entry(name.removesuffix(".offer")).booking_id or EVENT
        return self.called.get(name, self.id_of(name))

    def booking(self, name: str) -> Booking:
        return self.rows.bookings[self.booking_id(name)]

    def entry(self, name: str) -> WaitlistEntry:
        return self.rows.entries[self.entered[name]]

    def at(self, span: str | None) -> datetime | None:
        if span == "start":
            return self.starts_at
        return None if span is None else self.now + timedelta(**{_SPANS[span[-1]]: int(span[:-1])})


def tell(text: str, several: Sequence[Rows] | None = None) -> None:
    """Tell a story. An outcome that is not the one of its line is an AssertionError that quotes the line.

    `several`: rows to tell it with.
    """
    start = text.split(maxsplit=1)[0]
    text = PRELUDES[start] + text.replace(start, "", 1) if start in PRELUDES else PRELUDES[""] + text
    for rows in several or (Rows(), Rows(remember=False), Rows(remember=False, known_max=1)):
        story = Story(rows)
        story.rows.run([SetUpSale(EVENT, "EUR", NOON, NOON + timedelta(days=1), (), ())], NOON)
        for batch in _batches(text):
            _tell_batch(story, batch)


def _tell_batch(story: Story, batch: list[Told]) -> None:
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
    return Told(
        line, verb, [word for word in words if "=" not in word], options, expected.strip() if arrow else ""
    )


def _carry_out(story: Story, batch: list[Told]) -> list[str]:
    outcomes = story.rows.run([COMMANDS[told.verb](story, told) for told in batch], story.now)
    for told, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Booked) and told.verb in {"book", "hold"}:
            story.called[told.options.get("as", told.words[0])] = outcome.booking.booking_id
        if isinstance(outcome, Listed) and told.verb == "join":
            story.entered[told.options.get("as", told.words[0])] = outcome.entry.entry_id
        if isinstance(outcome, Listed) and outcome.booking is not None:
            story.called[told.words[0]] = outcome.booking.booking_id
    return [_show(outcome) for outcome in outcomes]


def _show(outcome: Outcome) -> str:
    if isinstance(outcome, Done):
        return "done"
    if isinstance(outcome, Booked | Listed):
        booking = (
            outcome.booking if isinstance(outcome, Booked) or outcome.entry.state == "fulfilled" else None
        )
        state = outcome.entry.state if booking is None else booking.state  # type: ignore[union-attr]
        return f"{'booked' if state == 'confirmed' else state}{' again' if outcome.replayed else ''}"
    if isinstance(outcome, Transferred):
        return f"{outcome.transfer.state}{' again' if outcome.replayed else ''}"
    if isinstance(outcome, Scanned):
        return f"{outcome.scan.result}{' again' if outcome.replayed else ''}"
    assert isinstance(outcome, No)
    return outcome.refusal.value


# What only reads, or happens outside the sales engine -------------------------------------------------------


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
    return (
        f"held {pool.held} sold {pool.sold} of "
        f"{pool.capacity}{f' aside {pool.set_aside}' if pool.set_aside else ''}"
    )


def _releases(story: Story, told: Told) -> str:
    type_id, sale = story.id_of(told.words[0]), story.rows.load()
    at = sale.next_releases([sale.ticket_types[type_id]]).get(type_id)
    if at is None:
        return "never"
    minutes, seconds = divmod(int((at - story.now).total_seconds()), 60)
    return f"{seconds}s" if minutes == 0 else f"{minutes}m"


def _blocks(story: Story, _told: Told) -> str:
    found = []
    for terms, _, seats in story.rows.seat_blocks.values():
        left = "" if terms.until is None else f" until {(terms.until - story.now).total_seconds() / 60:.0f}m"
        found.append(f"{terms.name} {len(seats)}{left}")
    return ", ".join(found) or "none"


def _quote(story: Story, told: Told) -> str:
    booking, starts_at = story.booking(told.words[0]), story.at(told.options["before"])
    assert story.rows.sale is not None
    assert starts_at is not None
    valid = [ticket for ticket in booking.tickets if ticket.state == "valid"]
    conditions = story.rows.sale.conditions_of(booking)
    promise = promise_to(booking, conditions, story.rows.sale.reschedulings, starts_at)
    quotes = quote_cancellation(booking, valid, conditions, promise, story.now)
    return str(sum(quote.refund_minor for quote in quotes))


def _row(story: Story, told: Told) -> str:
    assert story.rows.sale is not None
    assert story.rows.sale.hall is not None
    states = story.rows.sale.hall.states()
    return "".join(
        ".X#-"[state]
        for seat_id, state in zip(story.rows.sale.hall.plan.ids, states, strict=True)
        if seat_id[0] == told.words[0]
    )


def _entry(story: Story, told: Told) -> str:
    entry = story.entry(told.words[0])
    return entry.reason or entry.state


def _uses(story: Story, told: Told) -> str:
    _, uses, spent_minor = story.rows.promos[story.id_of(told.words[0])]
    return f"{uses} for {spent_minor}"


def _ledger(story: Story, _told: Told) -> str:
    balances: Counter[str] = Counter()
    for posting in story.rows.ledger:
        balances[posting.debit] += posting.amount_minor
        balances[posting.credit] -= posting.amount_minor
    return " ".join(f"{account} {balances[account]}" for account in sorted(balances) if balances[account])


def _ticket(story: Story, told: Told) -> Ticket:
    return story.booking(told.words[0]).tickets[int(told.words[1]) - 1]


def _holder(story: Story, told: Told) -> str:
    holder_id = _ticket(story, told).holder_id or story.booking(told.words[0]).buyer_id
    (name,) = [name for name, person_id in story.ids.items() if person_id == holder_id]
    return name


def _codes(story: Story, told: Told) -> str:
    ticket_id = _ticket(story, told).ticket_id
    return str(1 + sum(each == ticket_id for each, _ in story.rows.void_codes))


ASIDES: Final[dict[str, Callable[[Story, Told], str]]] = {
    "wait": _wait,
    "use": _use,
    "left": _left,
    "look": _look,
    "due": lambda story, told: str(story.booking(told.words[0]).total_minor()),
    "off": lambda story, told: " ".join(
        str(each.discount_minor) for each in story.booking(told.words[0]).tickets if each.state != "void"
    ),
    "refunded": lambda story, told: str(story.booking(told.words[0]).refunded_minor),
    "quote": _quote,
    "releases": _releases,
    "row": _row,
    "blocks": _blocks,
    "seats": lambda story, told: " ".join(
        each.seat_id or "-" for each in story.booking(told.words[0]).tickets if each.state != "void"
    ),
    "holder": _holder,
    "code": _codes,
    "entry": _entry,
    "aside": lambda story, told: str(story.rows.aside.get(story.id_of(told.words[0]), 0)),
    "uses": _uses,
    "ledger": _ledger,
}


# What buyers ask of the sales engine ------------------------------------------------------------------------


def _place(story: Story, told: Told) -> Command:
    buyer, *said = told.words
    pairs = list(zip(said[::2], said[1::2] if len(said) > 1 else ["std"], strict=True))
    seats = told.options["seats"].split(",") if "seats" in told.options else []
    lines = []
    for number, (quantity, name) in enumerate(pairs):
        mine, seats = tuple(seats[: int(quantity)]), seats[int(quantity) :]
        accessible = told.integer("accessible") or 0 if number == 0 else 0
        lines.append(
            BookingLine(
                story.id_of(name), int(quantity), mine or None, told.options.get("section"), accessible
            )
        )
    hold_seconds = HOLD_SECONDS if told.verb == "hold" else None
    key, promo = told.options.get("key"), told.options.get("promo")
    return PlaceBooking(
        EVENT,
        story.id_of(buyer),
        tuple(lines),
        hold_seconds,
        key,
        _fingerprint(told),
        promo,
        admitted="admitted" in told.options,
    )


def _pay(story: Story, told: Told) -> Command:
    name, *amount = told.words
    due = story.booking(name).total_minor()
    return ConfirmBooking(
        EVENT,
        story.booking_id(name),
        story.id_of(told.options.get("with", "card")),
        int(amount[0]) if amount else due,
    )


def _refund(story: Story, told: Told) -> Command:
    booking_id = story.booking_id(told.words[0])
    refunds = [each for each in story.rows.refunds.values() if each.booking_id == booking_id]
    open_first = sorted(refunds, key=lambda each: each.settled_at is not None)
    return RecordRefund(
        EVENT,
        booking_id,
        open_first[0].refund_id if refunds else EVENT,
        cast("SettledBy", told.options.get("how", "gateway")),
    )


def _cancel(story: Story, told: Told) -> Command:
    name, *count = told.words
    ticket_ids = _tickets(story, name, told.options.get("tickets"), int(count[0]) if count else None)
    asks = told.options.get("by", name.removesuffix(".offer"))
    buyer_id = None if asks == "organizer" else story.id_of(asks)
    before, unpaid = story.at(told.options.get("before")), "unpaid" in told.options
    key, fingerprint = told.options.get("key"), _fingerprint(told)
    return CancelBooking(
        EVENT,
        story.booking_id(name),
        story.id_of(asks),
        buyer_id,
        ticket_ids,
        before,
        key,
        fingerprint,
        unpaid,
        "keep-door" in told.options,
    )


def _tickets(story: Story, name: str, which: str | None, count: int | None) -> tuple[UUID, ...] | None:
    if which is None and count is None:
        return None
    if which in {"void", "used"}:
        return tuple(ticket.ticket_id for ticket in story.booking(name).tickets if ticket.state == which)
    valid = [
        ticket.ticket_id
        for ticket in story.booking(which if which in story.called else name).tickets
        if ticket.state == "valid"
    ]
    return (valid[0], valid[0]) if which == "twice" else tuple(valid[:count])


def _return(story: Story, told: Told) -> Command:
    name, count = told.words
    buyer_id = story.id_of(told.options.get("by", name))
    valid = [ticket for ticket in story.booking(name).tickets if ticket.state == "valid"]
    some = tuple(
        ticket.ticket_id
        for ticket in sorted(valid, key=lambda ticket: ticket.returning_since is None)[: int(count)]
    )
    kind = KeepTickets if told.verb == "keep" else ReturnTickets
    return kind(EVENT, story.booking_id(name), buyer_id, some)


def _exchange(story: Story, told: Told) -> Command:
    name, tickets = told.words[0], story.booking(told.words[0]).tickets
    moves = {number: seat for number, seat in told.options.items() if number.isdigit()}
    ids = {number: tickets[int(number) - 1].ticket_id for number in moves if int(number) <= len(tickets)}
    return ExchangeTickets(
        EVENT,
        story.booking_id(name),
        story.id_of("desk"),
        tuple([(ids.get(number, EVENT), seat) for number, seat in moves.items()]),
        told.options.get("key"),
        _fingerprint(told),
    )


def _offer_transfer(story: Story, told: Told) -> Command:
    name, _, receiver = told.words
    transfer = told.options.get("key", f"transfer {len(story.rows.transfers)}")
    return OfferTransfer(
        EVENT,
        story.booking_id(name),
        _ticket(story, told).ticket_id,
        story.id_of(transfer),
        story.id_of(told.options.get("by", name)),
        f"{receiver}@evently.example",
        story.at(told.options["before"]) or NOON if "before" in told.options else story.starts_at,
    )


def _on_transfer(story: Story, told: Told) -> Command:
    ticket = _ticket(story, told)
    offers = [each for each in story.rows.transfers.values() if each.ticket_id == ticket.ticket_id]
    last: UUID = max(offers, key=_place_of).transfer_id if offers else EVENT
    name = told.options.get("by", told.words[0])
    who, address = story.id_of(name), f"{name}@evently.example"
    match told.verb:
        case "take":
            before = story.at(told.options["before"]) if "before" in told.options else story.starts_at
            assert before is not None
            booking_id = story.booking_id(told.words[0])
            return AcceptTransfer(EVENT, booking_id, last, who, address, ticket.ticket_type_id, before)
        case "refuse":
            return DeclineTransfer(EVENT, last, address)
        case "take-back":
            return WithdrawTransfer(EVENT, last, who)
        case _:
            return GiveBackTicket(EVENT, story.booking_id(told.words[0]), ticket.ticket_id, who)


def _place_of(transfer: Transfer) -> tuple[datetime, UUID]:
    return transfer.offered_at, transfer.transfer_id


def _scan(story: Story, told: Told) -> Command:
    name, number, *way = told.words
    options = told.options
    scan_id = story.id_of(options["scan"]) if "scan" in options else UUID(int=next(_scans))
    tickets = () if name == "nobody" else story.booking(name).tickets
    ticket = next(iter(tickets[int(number) - 1 :]), None)
    return ScanTicket(
        EVENT,
        scan_id,
        ticket.ticket_id if ticket else UUID(int=1),
        _secret_of(story, ticket, options),
        "out" if way == ["out"] else "in",
        story.id_of("guard"),
        story.now,
        reentry="reentry" in options,
        ticket_type_ids=frozenset(map(story.id_of, options["for"].split("+"))) if "for" in options else None,
        opens_at=story.at(options.get("from")),
        closes_at=story.at(options.get("until")),
        offline="offline" in options,
    )


def _secret_of(story: Story, ticket: Ticket | None, options: dict[str, str]) -> bytes:
    if ticket is None or "forged" in options:
        return b"other"
    if "old" in options:
        return next(secret for ticket_id, secret in story.rows.void_codes if ticket_id == ticket.ticket_id)
    return ticket.secret


_scans: Final = itertools.count(2_000_000)


def _join(story: Story, told: Told) -> Command:
    buyer, quantity, *name = told.words
    type_id = story.id_of(name[0] if name else "std")
    return JoinWaitlist(
        EVENT,
        story.id_of(buyer),
        type_id,
        int(quantity),
        told.options.get("key"),
        _fingerprint(told),
        told.options.get("promo"),
        "admitted" in told.options,
    )


def _on_entry(story: Story, told: Told) -> Command:
    entry_id = story.entered.get(told.words[0], EVENT)
    buyer_id = story.id_of(told.options.get("by", told.words[0]))
    if told.verb == "accept":
        return AcceptOffer(EVENT, entry_id, buyer_id, told.options.get("promo"))
    return LeaveWaitlist(EVENT, entry_id, buyer_id)


def _fingerprint(told: Told) -> bytes:
    return f"{told.verb} {told.words} {told.options.get('body')}".encode()


# What organizers ask ----------------------------------------------------------------------------------------


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
        per_buyer_max=told.integer("each"),
        on_sale_at=story.at(options.get("from")),
        off_sale_at=story.at(options.get("until")),
        zone=options.get("zone"),
        tax_basis_points=_basis_points(options.get("tax", "0%")),
        tax_included="tax-on-top" not in options,
        hidden="hidden" in options,
        needed_ids=tuple(map(story.id_of, options["needs"].split("+"))) if "needs" in options else (),
        per_needed_max=told.integer("per-needed"),
    )
    return PutTicketType(EVENT, terms)


def _block(story: Story, told: Told) -> Command:
    name = told.options.get("as")
    until = story.at(told.options.get("until"))
    block = None if name is None else SeatBlockTerms(story.id_of(name), name, until)
    return BlockSeats(EVENT, tuple(told.words[0].split(",")), block)


def _rename_block(story: Story, told: Told) -> Command:
    block, name = told.words
    until = story.at(told.options.get("until"))
    return ChangeSeatBlock(EVENT, SeatBlockTerms(story.id_of(block), name, until))


def _put_pool(story: Story, told: Told) -> Command:
    name, capacity = told.words
    return PutPool(EVENT, PoolTerms(story.id_of(name), name, int(capacity)))


def _put_room(story: Story, told: Told) -> Command:
    opens_at = story.at(told.words[0])
    assert opens_at is not None
    return PutWaitingRoom(EVENT, opens_at, hashlib.sha256(SEED).digest(), told.options.get("source", ""))


def _window(story: Story, told: Told) -> Command:
    on_sale_at, off_sale_at = (story.at(span) for span in told.words)
    assert on_sale_at is not None
    assert off_sale_at is not None
    return ChangeSale(EVENT, on_sale_at, off_sale_at)


def _reschedule(story: Story, told: Told) -> Command:
    spans = [word for word in told.words if word != "elsewhere"]
    before, after = story.starts_at, story.at(spans[0] if spans else "start")
    assert after is not None
    story.starts_at = after
    return RescheduleEvent(EVENT, before, after, place_changed="elsewhere" in told.words)


def _put_conditions(_story: Story, told: Told) -> Command:
    options = told.options
    fixed, _, percent = options.get("fee", "0").partition("+")
    windows = [window.split(":") for window in options.get("window", "0h:100%").split(",") if ":" in window]
    conditions = Conditions(
        payment="online" if "online" in told.words else "door",
        hold_seconds=int(options.get("hold", "600")),
        offer_seconds=int(options.get("offer", "3600")),
        fees=Fees(
            int(fixed),
            _basis_points(percent or "0%"),
            "organizer" if options.get("fee-of") == "organizer" else "buyer",
            _basis_points(options["fee-tax"]) if "fee-tax" in options else None,
        ),
        refund_windows=tuple(
            RefundWindow(int(hours.removesuffix("h")), _basis_points(share)) for hours, share in windows
        ),
        cancel_hours_before=int(options.get("late", "0h").removesuffix("h")),
        fee_kept="fee-kept" in options,
        holds_per_buyer_max=int(options.get("holds", "2")),
        held_units_per_buyer_max=int(options.get("held-units", "20")),
        orphans_forbidden="orphans" in options,
        give_back_days=int(options.get("give-back", "14")),
    )
    return PutConditions(EVENT, conditions)


def _put_promo(story: Story, told: Told) -> Command:
    code, kind, value = told.words
    options = told.options
    terms = PromoTerms(
        promo_id=story.id_of(options.get("as", code)),
        code=code,
        kind=cast("PromoKind", kind),
        value=int(value) * 100 if kind == "percent" else int(value),
        ticket_type_ids=tuple(story.id_of(name) for name in options["for"].split("+"))
        if "for" in options
        else (),
        uses_max=told.integer("uses"),
        per_buyer_max=told.integer("each"),
        budget_minor=told.integer("budget"),
        units_per_use_max=told.integer("units"),
        from_at=story.at(options.get("from")),
        until_at=story.at(options.get("until")),
    )
    return PutPromoCode(EVENT, terms)


def _put_seating(_story: Story, told: Told) -> Command:
    hall = OTHER_HALL if "other" in told.words else SMALL_HALL
    return PutSeating(EVENT, hall.seating({zone: rows.split(",") for zone, rows in told.options.items()}))


def _basis_points(percent: str) -> int:
    return int(percent.removesuffix("%")) * 100


def _outside(story: Story, told: Told) -> Command:
    """Return the record of refunds by another hand: a reference and an amount for each, `re` without one."""
    booking_id = story.booking_id(told.words[0])
    refunds = [word.rpartition(":") for word in told.words[1:]]
    known = story.rows.current_outside(booking_id)
    return RecordOutsideRefunds(
        EVENT,
        booking_id,
        story.id_of("card"),
        tuple([OutsideRefund("refund", name or "re", int(amount)) for name, _, amount in refunds]),
        int(told.options.get("known", sum([each.amount_minor for each in known]))),
    )


COMMANDS: Final[dict[str, Callable[[Story, Told], Command]]] = {
    "book": _place,
    "hold": _place,
    "confirm": lambda story, told: ConfirmBooking(EVENT, story.booking_id(told.words[0])),
    "pay": _pay,
    "extend": lambda story, told: ExtendHold(
        EVENT, story.booking_id(told.words[0]), story.id_of(told.options.get("by", told.words[0]))
    ),
    "capture": lambda story, told: RecordCapture(
        EVENT, story.booking_id(told.words[0]), story.id_of(told.options.get("with", "card"))
    ),
    "outside": _outside,
    "room": _put_room,
    "no-room": lambda _story, _told: RemoveWaitingRoom(EVENT),
    "close-list": lambda _story, told: CloseWaitingRoom(EVENT, int(told.words[0]), b"list"),
    "draw": lambda _story, told: DrawWaitingRoom(EVENT, SEED, told.options.get("value", "")),
    "refund": _refund,
    "cancel": _cancel,
    "return": _return,
    "keep": _return,
    "exchange": _exchange,
    "pass": _offer_transfer,
    "take": _on_transfer,
    "refuse": _on_transfer,
    "take-back": _on_transfer,
    "give-back": _on_transfer,
    "join": _join,
    "leave": _on_entry,
    "accept": _on_entry,
    "scan": _scan,
    "undo": lambda story, told: UndoScan(
        EVENT, story.id_of(told.words[0]), story.id_of("guard"), "a mistake"
    ),
    "nothing": lambda _story, _told: WakeSale(EVENT),
    "pool": _put_pool,
    "type": _put_type,
    "terms": _put_conditions,
    "promo": _put_promo,
    "unpromo": lambda story, told: RetirePromoCode(EVENT, story.id_of(told.words[0])),
    "seating": _put_seating,
    "block": _block,
    "rename": _rename_block,
    "unblock": lambda _story, told: UnblockSeats(EVENT, tuple(told.words[0].split(","))),
    "move": _reschedule,
    "open": lambda _story, _told: OpenSale(EVENT),
    "call-off": lambda _story, told: CancelSale(EVENT, "keep-door" in told.options),
    "window": _window,
    "retire": lambda story, told: RetireTicketType(EVENT, story.id_of(told.words[0])),
    "drop": lambda story, told: RemovePool(EVENT, story.id_of(told.words[0])),
}
