"""Random histories of commands in batches: rules and model agree, and the rows add up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from evently.sales.commands import Command
from evently.sales.commands.bookings import (
    BookingLine,
    CancelBooking,
    ConfirmBooking,
    ExtendHold,
    KeepTickets,
    PlaceBooking,
    RecordCapture,
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
    RescheduleEvent,
    RetirePromoCode,
    RetireTicketType,
    SetUpSale,
    WakeSale,
)
from evently.sales.commands.seats import BlockSeats, UnblockSeats
from evently.sales.commands.transfers import (
    AcceptTransfer,
    DeclineTransfer,
    GiveBackTicket,
    OfferTransfer,
    WithdrawTransfer,
)
from evently.sales.commands.waitlist import AcceptOffer, JoinWaitlist, LeaveWaitlist
from evently.sales.nouns import Booking, Ticket, WaitlistEntry
from evently.sales.states import Direction, SettledBy
from evently.sales.terms import Conditions, Fees, PoolTerms, PromoTerms, RefundWindow, TicketTypeTerms
from tests.support.halls import SMALL_HALL
from tests.support.model import FORGED, UNKNOWN, Model
from tests.support.rows import Rows
from tests.support.stories import EVENT, NOON

EXAMPLES: Final = 200
EXAMPLES_TO_PROVE: Final = 20_000
HALL, BALCONY, GARAGE = UUID(int=11), UUID(int=12), UUID(int=13)
STANDARD, LIMITED, NESTED, EARLY, SEATED = (UUID(int=number) for number in (21, 22, 23, 24, 25))
PARKING: Final = UUID(int=26)
BUYERS: Final = [UUID(int=number) for number in (31, 32, 33)]
CARDS: Final = [UUID(int=number) for number in (41, 42)]
PROMO: Final = PromoTerms(UUID(int=51), "TEN", "percent", 1000, uses_max=3, per_buyer_max=2, budget_minor=700)
POOLS: Final = (PoolTerms(HALL, "hall", 8), PoolTerms(BALCONY, "balcony", 3), PoolTerms(GARAGE, "garage", 4))
SOON, LATER, STARTS = (
    NOON + timedelta(seconds=20),
    NOON + timedelta(minutes=5),
    NOON + timedelta(hours=2, minutes=1),
)
WINDOW: Final = NOON, NOON + timedelta(days=1)
TICKET_TYPES: Final = (
    TicketTypeTerms(STANDARD, "standard", "", 1, 1000, 4, (HALL,)),
    TicketTypeTerms(LIMITED, "limited", "", 2, 500, 3, (HALL,), per_buyer_max=3),
    TicketTypeTerms(NESTED, "nested", "", 3, 0, 4, (HALL, BALCONY), per_buyer_max=5),
    TicketTypeTerms(EARLY, "early", "", 4, 700, 4, (HALL,), on_sale_at=SOON, off_sale_at=LATER),
    TicketTypeTerms(SEATED, "seated", "", 5, 800, 4, (HALL,), zone="stalls"),
    TicketTypeTerms(
        PARKING, "parking", "", 6, 300, 4, (GARAGE,), needed_ids=(STANDARD, SEATED), per_needed_max=1
    ),
)
SEATS: Final = [f"A{number}" for number in range(1, 7)]
WINDOWS: Final = (RefundWindow(2, 10_000), RefundWindow(1, 5_000))
ONLINE: Final = Conditions("online", 20, 30, Fees(50), WINDOWS, cancel_hours_before=1, give_back_days=0)
GENEROUS: Final = replace(ONLINE, give_back_days=14)
DOOR: Final = Conditions("door", 60, 30, Fees(), WINDOWS)

TYPE_IDS: Final = [terms.ticket_type_id for terms in TICKET_TYPES]
buyers = st.sampled_from(BUYERS)
keys = st.none() | st.sampled_from(["k1", "k2"])
owners = st.sampled_from([True, True, False, None])  # who asks: the buyer, anybody, the organizer
picks = st.integers(0, 40)  # which of the bookings or entries so far, counted from the newest
orders = st.dictionaries(st.sampled_from(TYPE_IDS), st.integers(1, 5), min_size=1, max_size=2)
some_seats = st.lists(st.sampled_from(SEATS), min_size=1, max_size=3, unique=True)


class AnyHistory(RuleBasedStateMachine):
    """Each rule adds a command to the batch; `commit` decides it."""

    @initialize(
        remember=st.booleans(),
        conditions=st.sampled_from([ONLINE, GENEROUS, DOOR]),
        full=st.sampled_from([True, True, False]),
    )
    def set_up(self, *, remember: bool, conditions: Conditions, full: bool) -> None:
        seating = SMALL_HALL.seating({"stalls": ["A"]})
        self.rows = self.make_rows(remember=remember)
        set_up = SetUpSale(EVENT, "EUR", *WINDOW, POOLS, TICKET_TYPES, conditions, seating)
        self.rows.run([set_up, PutPromoCode(EVENT, PROMO), OpenSale(EVENT)], NOON)
        types = {terms.ticket_type_id: terms for terms in TICKET_TYPES}
        self.model = Model(
            {pool.pool_id: pool for pool in POOLS},
            types,
            conditions,
            dict.fromkeys(SEATS, "stalls"),
            PROMO,
            NOON,
            *WINDOW,
        )
        self.starts_at, self.is_deciding = STARTS, False
        self.batch: list[Command] = []
        self.asked: list[Command] = []  # all keyed requests, to repeat them
        self.scans: list[ScanTicket] = []
        self.offered: list[OfferTransfer] = []
        self.codes: dict[tuple[UUID, bytes], None] = {}  # every code that a ticket had after a batch
        self.now = NOON
        if full:
            self._sell_out()

    def make_rows(self, *, remember: bool) -> Rows:
        return Rows(remember=remember)

    def _sell_out(self) -> None:
        """Most of what is interesting happens when nothing is left."""
        self._ask(
            PlaceBooking(
                EVENT, BUYERS[0], (BookingLine(STANDARD, 2), BookingLine(SEATED, 2), BookingLine(PARKING, 3))
            )
        )
        self._ask(PlaceBooking(EVENT, BUYERS[1], (BookingLine(NESTED, 2), BookingLine(STANDARD, 2))))
        self._decide()
        for booking in self.rows.bookings.values():
            if booking.state == "held":
                self._ask(ConfirmBooking(EVENT, booking.booking_id, CARDS[0], booking.total_minor()))
        self._decide()

    # Buyers

    @rule(
        buyer_id=buyers,
        order=orders,
        hold_seconds=st.sampled_from([None, None, 10]),
        key=keys,
        promo=st.sampled_from([None, None, "ten"]),
    )
    def place(
        self,
        *,
        buyer_id: UUID,
        order: dict[UUID, int],
        hold_seconds: int | None,
        key: str | None,
        promo: str | None,
    ) -> None:
        lines = tuple(BookingLine(type_id, quantity) for type_id, quantity in order.items())
        self._ask(
            PlaceBooking(
                EVENT, buyer_id, lines, hold_seconds, key, repr((lines, hold_seconds, promo)).encode(), promo
            )
        )

    @rule(
        buyer_id=buyers,
        needed=st.sampled_from([STANDARD, STANDARD, SEATED, NESTED]),
        units=st.integers(1, 3),
        places=st.integers(1, 3),
    )
    def place_with_parking(self, *, buyer_id: UUID, needed: UUID, units: int, places: int) -> None:
        lines = (BookingLine(PARKING, places), BookingLine(needed, units))
        self._ask(PlaceBooking(EVENT, buyer_id, lines))

    @rule(most=st.sampled_from([None, 1, 2]), needed=st.sampled_from([(STANDARD, SEATED), (STANDARD,)]))
    def change_what_parking_needs(self, *, most: int | None, needed: tuple[UUID, ...]) -> None:
        self._ask(PutTicketType(EVENT, replace(TICKET_TYPES[5], needed_ids=needed, per_needed_max=most)))

    @rule(buyer_id=buyers, seats=some_seats)
    def place_on_seats(self, buyer_id: UUID, seats: list[str]) -> None:
        self._ask(PlaceBooking(EVENT, buyer_id, (BookingLine(SEATED, len(seats), tuple(seats)),)))

    @rule(buyer_id=buyers, type_id=st.sampled_from([STANDARD, LIMITED, SEATED]))
    def want_all_there_is(self, buyer_id: UUID, type_id: UUID) -> None:
        for quantity in (4, 3, 1):
            self._ask(PlaceBooking(EVENT, buyer_id, (BookingLine(type_id, quantity),)))

    @precondition(lambda self: self.rows.bookings)
    @rule(pick=picks, card=st.sampled_from([*CARDS, CARDS[0], None]), more=st.sampled_from([0, 0, 0, 1]))
    def confirm(self, pick: int, card: UUID | None, more: int) -> None:
        booking = self._pick(pick, "held")
        self._ask(
            ConfirmBooking(EVENT, booking.booking_id, card, booking.total_minor() + more if card else 0)
        )

    @precondition(lambda self: self.rows.bookings)
    @rule(pick=picks, buyer_id=buyers, mine=st.sampled_from([True, True, False]))
    def extend(self, *, pick: int, buyer_id: UUID, mine: bool) -> None:
        booking = self._pick(pick, "held")
        self._ask(ExtendHold(EVENT, booking.booking_id, booking.buyer_id if mine else buyer_id))

    @precondition(lambda self: self.rows.bookings)
    @rule(pick=picks, buyer_id=buyers, mine=owners, key=keys, tickets=st.none() | st.sets(picks, min_size=1))
    def cancel(
        self, *, pick: int, buyer_id: UUID, mine: bool | None, key: str | None, tickets: Iterable[int] | None
    ) -> None:
        booking = self._pick(pick, "held", "confirmed")
        owner = None if mine is None else booking.buyer_id if mine else buyer_id
        ids = (
            None
            if tickets is None
            else tuple({booking.tickets[each % len(booking.tickets)].ticket_id for each in tickets})
        )
        fingerprint = repr((booking.booking_id, ids)).encode()
        before = self.starts_at if owner else None
        self._ask(
            CancelBooking(EVENT, booking.booking_id, owner or EVENT, owner, ids, before, key, fingerprint)
        )

    @precondition(lambda self: self.rows.bookings)
    @rule(pick=picks, card=st.sampled_from(CARDS))
    def capture(self, pick: int, card: UUID) -> None:
        self._ask(RecordCapture(EVENT, self._pick(pick, "confirmed").booking_id, card))

    @rule(twice=st.booleans())
    def let_the_money_flow(self, *, twice: bool) -> None:
        for _ in range(1 + twice):
            for booking in self.rows.bookings.values():
                if booking.payment_id is not None and booking.payment_id == CARDS[0]:
                    self._ask(RecordCapture(EVENT, booking.booking_id, booking.payment_id))
            for refund in self.rows.refunds.values():
                how: SettledBy = (
                    "gateway" if self.rows.bookings[refund.booking_id].captured_at else "never_paid"
                )
                self._ask(RecordRefund(EVENT, refund.booking_id, refund.refund_id, how))

    # The waitlist

    @rule(buyer_id=buyers, type_id=st.sampled_from(TYPE_IDS), quantity=st.integers(1, 5), key=keys)
    def join(self, buyer_id: UUID, type_id: UUID, quantity: int, key: str | None) -> None:
        self._ask(JoinWaitlist(EVENT, buyer_id, type_id, quantity, key, repr((type_id, quantity)).encode()))

    @precondition(lambda self: self.rows.entries)
    @rule(pick=picks, leave=st.booleans(), promo=st.sampled_from([None, None, "ten"]))
    def answer(self, *, pick: int, leave: bool, promo: str | None) -> None:
        entry = list(self.rows.entries.values())[-1 - pick % len(self.rows.entries)]
        self._answer(entry, promo, leave=leave)

    @precondition(lambda self: any(entry.state == "offered" for entry in self.rows.entries.values()))
    @rule(pick=picks, leave=st.sampled_from([False, False, True]), promo=st.sampled_from([None, "ten"]))
    def answer_offer(self, *, pick: int, leave: bool, promo: str | None) -> None:
        offered = [entry for entry in self.rows.entries.values() if entry.state == "offered"]
        self._answer(offered[pick % len(offered)], promo, leave=leave)

    def _answer(self, entry: WaitlistEntry, promo: str | None, *, leave: bool) -> None:
        command: Command = AcceptOffer(EVENT, entry.entry_id, entry.buyer_id, promo)
        self._ask(LeaveWaitlist(EVENT, entry.entry_id, entry.buyer_id) if leave else command)

    @precondition(lambda self: self.rows.tickets("confirmed"))
    @rule(
        pick=picks,
        tickets=st.sets(picks, min_size=1, max_size=3),
        keep=st.sampled_from([False, False, False, True]),
    )
    def give_away(self, *, pick: int, tickets: set[int], keep: bool) -> None:
        confirmed = [booking for booking in self.rows.bookings.values() if booking.state == "confirmed"]
        booking = confirmed[pick % len(confirmed)]
        valid = [each for each in booking.tickets if each.state == "valid" or pick % 4 == 0]
        valid = valid or list(booking.tickets)
        ids = tuple({valid[each % len(valid)].ticket_id for each in tickets})
        self._ask((KeepTickets if keep else ReturnTickets)(EVENT, booking.booking_id, booking.buyer_id, ids))

    @rule(buyer_id=buyers, type_id=st.sampled_from([STANDARD, NESTED, SEATED]), first=st.booleans())
    def somebody_waits_and_somebody_goes(self, *, buyer_id: UUID, type_id: UUID, first: bool) -> None:
        """A short story that chance would seldom tell."""
        if first:
            self._ask(JoinWaitlist(EVENT, buyer_id, type_id, 1))
        for booking in self.rows.bookings.values():
            ours = [
                ticket.ticket_id
                for ticket in booking.tickets
                if ticket.state == "valid" and ticket.ticket_type_id == type_id
            ]
            if booking.state == "confirmed" and booking.buyer_id != buyer_id and ours:
                self._ask(ReturnTickets(EVENT, booking.booking_id, booking.buyer_id, (ours[0],)))
                break
        if not first:
            self._ask(JoinWaitlist(EVENT, buyer_id, type_id, 1))

    # Passing tickets on, and other seats

    @precondition(lambda self: self.rows.tickets("confirmed"))
    @rule(pick=picks, which=picks, receiver_id=buyers, giver_id=st.none() | buyers)
    def pass_on(self, *, pick: int, which: int, receiver_id: UUID, giver_id: UUID | None) -> None:
        booking = self._pick(pick, "confirmed")
        ticket = booking.tickets[which % len(booking.tickets)]
        giver_id = giver_id or ticket.holder_id or booking.buyer_id
        self._pass_on(booking, ticket, giver_id, receiver_id)

    def _pass_on(self, booking: Booking, ticket: Ticket, giver_id: UUID, receiver_id: UUID) -> UUID:
        """Offer a ticket; return the id of the transfer."""
        transfer_id, address = UUID(int=8_000_000 + len(self.offered)), _address(receiver_id)
        offer = OfferTransfer(
            EVENT, booking.booking_id, ticket.ticket_id, transfer_id, giver_id, address, self.starts_at
        )
        self.offered.append(offer)
        self._ask(offer)
        return transfer_id

    @precondition(lambda self: self.rows.tickets("confirmed"))
    @rule(pick=picks, which=picks, receiver_id=buyers, at_once=st.booleans(), back=st.booleans())
    def somebody_gets_a_ticket(
        self, *, pick: int, which: int, receiver_id: UUID, at_once: bool, back: bool
    ) -> None:
        """A short story that chance would seldom tell."""
        booking = self._pick(pick, "confirmed")
        ticket = booking.tickets[which % len(booking.tickets)]
        transfer_id = self._pass_on(booking, ticket, ticket.holder_id or booking.buyer_id, receiver_id)
        if not at_once:
            self._decide()
        self._ask(
            AcceptTransfer(
                EVENT,
                booking.booking_id,
                transfer_id,
                receiver_id,
                _address(receiver_id),
                ticket.ticket_type_id,
                self.starts_at,
            )
        )
        if back:
            self._ask(GiveBackTicket(EVENT, booking.booking_id, ticket.ticket_id, receiver_id))

    @precondition(lambda self: self.offered)
    @rule(pick=picks, receiver_id=st.none() | st.none() | buyers)
    def pass_on_again(self, *, pick: int, receiver_id: UUID | None) -> None:
        earlier = self.offered[-1 - pick % len(self.offered)]
        self._ask(earlier if receiver_id is None else replace(earlier, address=_address(receiver_id)))

    @precondition(lambda self: self.rows.transfers)
    @rule(
        pick=picks, how=st.sampled_from(["take", "take", "take", "refuse", "take back"]), mine=st.booleans()
    )
    def answer_transfer(self, *, pick: int, how: str, mine: bool) -> None:
        transfers = list(self.rows.transfers.values())
        transfers = [each for each in transfers if each.state == "offered"] * (pick % 4 > 0) or transfers
        transfer = transfers[-1 - pick // 4 % len(transfers)]
        named = next(each for each in self.offered if each.transfer_id == transfer.transfer_id)
        to = next(each for each in BUYERS if _address(each) == named.address)
        who = to if mine or pick % 3 else BUYERS[pick % len(BUYERS)]
        (ticket,) = [
            each
            for booking in self.rows.bookings.values()
            for each in booking.tickets
            if each.ticket_id == transfer.ticket_id
        ]
        command: Command
        match how:
            case "take":
                command = AcceptTransfer(
                    EVENT,
                    transfer.booking_id,
                    transfer.transfer_id,
                    who,
                    _address(who),
                    ticket.ticket_type_id,
                    self.starts_at,
                )
            case "refuse":
                command = DeclineTransfer(EVENT, transfer.transfer_id, _address(who))
            case _:
                command = WithdrawTransfer(EVENT, transfer.transfer_id, transfer.giver_id if mine else who)
        self._ask(command)

    @precondition(lambda self: any(each.holder_id for each in self.rows.tickets("confirmed")))
    @rule(pick=picks, mine=st.sampled_from([True, True, False]))
    def give_back(self, *, pick: int, mine: bool) -> None:
        received = [
            (booking, ticket)
            for booking in self.rows.bookings.values()
            for ticket in booking.tickets
            if ticket.holder_id is not None
        ]
        booking, ticket = received[-1 - pick % len(received)]
        holder_id = ticket.holder_id if mine and ticket.holder_id is not None else BUYERS[pick % len(BUYERS)]
        self._ask(GiveBackTicket(EVENT, booking.booking_id, ticket.ticket_id, holder_id))

    @precondition(lambda self: any(each.seat_id for each in self.rows.tickets("confirmed")))
    @rule(pick=picks, which=picks, seats=some_seats)
    def exchange(self, *, pick: int, which: int, seats: list[str]) -> None:
        seated = [
            booking
            for booking in self.rows.bookings.values()
            if any(each.seat_id for each in booking.tickets)
        ]
        booking = seated[-1 - pick % len(seated)]
        tickets = [each for each in booking.tickets if each.seat_id is not None or which % 8 == 0]
        tickets = tickets[which % len(tickets) :]
        moves = tuple([(each.ticket_id, seat) for each, seat in zip(tickets, seats, strict=False)])
        self._ask(ExchangeTickets(EVENT, booking.booking_id, BUYERS[0], moves))

    # The door

    @precondition(lambda self: self.rows.bookings)
    @rule(
        pick=picks,
        which=picks,
        direction=st.sampled_from(["in", "in", "in", "out"]),
        code=st.sampled_from(["its own", "its own", "its own", "forged", "unknown"]),
        reentry=st.booleans(),
    )
    def scan(self, *, pick: int, which: int, direction: Direction, code: str, reentry: bool) -> None:
        tickets = self._pick(pick, "confirmed").tickets
        ticket = tickets[which % len(tickets)]
        ticket_id = UNKNOWN if code == "unknown" else ticket.ticket_id
        self._scan(ticket_id, FORGED if code == "forged" else ticket.secret, direction, reentry=reentry)

    @precondition(lambda self: self.rows.void_codes)
    @rule(pick=picks)
    def scan_an_old_code(self, pick: int) -> None:
        old = [code for code in self.rows.void_codes if code in self.codes]
        if old:
            self._scan(*old[pick % len(old)], "in", reentry=False)

    @precondition(lambda self: self.rows.tickets("confirmed"))
    @rule(
        pick=picks,
        types=st.none() | st.sets(st.sampled_from(TYPE_IDS), min_size=1),
        opens=st.none() | st.sampled_from([-1, 0, 1]),
        closes=st.none() | st.sampled_from([-1, 0, 1]),
        offline=st.booleans(),
    )
    def scan_at_a_gate(
        self, *, pick: int, types: set[UUID] | None, opens: int | None, closes: int | None, offline: bool
    ) -> None:
        tickets = self.rows.tickets("confirmed")
        ticket = tickets[pick % len(tickets)]
        self._scan(
            ticket.ticket_id,
            ticket.secret,
            "in",
            reentry=False,
            ticket_type_ids=None if types is None else frozenset(types),
            opens_at=None if opens is None else self.now + timedelta(seconds=opens),
            closes_at=None if closes is None else self.now + timedelta(seconds=closes),
            offline=offline,
        )

    @precondition(lambda self: self.scans)
    @rule(pick=picks, other_way=st.sampled_from([False, False, True]))
    def scan_again(self, *, pick: int, other_way: bool) -> None:
        earlier = self.scans[-1 - pick % len(self.scans)]
        direction: Direction = "out" if earlier.direction == "in" else "in"
        self._ask(replace(earlier, direction=direction) if other_way else earlier)

    @precondition(lambda self: self.scans)
    @rule(pick=picks)
    def undo_scan(self, pick: int) -> None:
        earlier = self.scans[-1 - pick % min(len(self.scans), 5)]
        self._ask(UndoScan(EVENT, earlier.scan_id, BUYERS[0], "by mistake"))

    @precondition(lambda self: any(each.returning_since for each in self.rows.tickets("confirmed")))
    @rule(pick=picks, undo=st.booleans())
    def somebody_comes_with_a_returned_ticket(self, *, pick: int, undo: bool) -> None:
        """A short story that chance would seldom tell."""
        returned = [each for each in self.rows.tickets("confirmed") if each.returning_since is not None]
        ticket = returned[pick % len(returned)]
        self._scan(ticket.ticket_id, ticket.secret, "in", reentry=False)
        if undo:
            self._ask(UndoScan(EVENT, self.scans[-1].scan_id, BUYERS[0], "by mistake"))

    @precondition(lambda self: self.rows.tickets("confirmed"))
    @rule(pick=picks, ways=st.lists(st.sampled_from(["in", "out", "undo"]), min_size=2, max_size=5))
    def somebody_comes_and_goes(self, *, pick: int, ways: list[str]) -> None:
        """A short story that chance would seldom tell."""
        tickets = self.rows.tickets("confirmed")
        ticket = tickets[pick % len(tickets)]
        for way in ["in", *ways]:
            if way == "undo":
                self._ask(UndoScan(EVENT, self.scans[-1].scan_id, BUYERS[0], "by mistake"))
            else:
                self._scan(
                    ticket.ticket_id, ticket.secret, "in" if way == "in" else "out", reentry=pick % 3 > 0
                )

    def _scan(self, ticket_id: UUID, secret: bytes, direction: Direction, **more: Any) -> None:
        scan_id = UUID(int=9_000_000 + len(self.scans))
        scan = ScanTicket(EVENT, scan_id, ticket_id, secret, direction, BUYERS[0], self.now, **more)
        self.scans.append(scan)
        self._ask(scan)

    # Organizers

    @precondition(lambda self: self.asked)
    @rule(pick=picks, other_body=st.booleans())
    def retry(self, *, pick: int, other_body: bool) -> None:
        command = self.asked[-1 - pick % len(self.asked)]
        assert isinstance(command, PlaceBooking | CancelBooking | JoinWaitlist)
        self.batch.append(replace(command, fingerprint=b"another") if other_body else command)

    @rule(pool_id=st.sampled_from([HALL, HALL, BALCONY]), capacity=st.integers(2, 10))
    def change_capacity(self, pool_id: UUID, capacity: int) -> None:
        self._ask(PutPool(EVENT, PoolTerms(pool_id, "changed", capacity)))

    @rule(seats=some_seats, block=st.booleans())
    def block(self, *, seats: list[str], block: bool) -> None:
        self._ask((BlockSeats if block else UnblockSeats)(EVENT, tuple(seats)))

    @precondition(lambda self: len(self.rows.journal) > 10)
    @rule(conditions=st.sampled_from([ONLINE, GENEROUS, DOOR]))
    def change_conditions(self, conditions: Conditions) -> None:
        self._ask(PutConditions(EVENT, conditions))

    @rule(minutes=st.sampled_from([20, 61, 121, 190, 600]), elsewhere=st.booleans())
    def reschedule(self, *, minutes: int, elsewhere: bool) -> None:
        before, self.starts_at = self.starts_at, self.now + timedelta(minutes=minutes)
        elsewhere = elsewhere or before == self.starts_at
        self._ask(RescheduleEvent(EVENT, before, self.starts_at, place_changed=elsewhere))

    @precondition(lambda self: len(self.rows.journal) > 10)
    @rule(seconds=st.sampled_from([0, 5, 60, 86_400]))
    def change_window(self, seconds: int) -> None:
        on_sale_at, off_sale_at = WINDOW
        self._ask(ChangeSale(EVENT, on_sale_at, min(off_sale_at, self.now + timedelta(seconds=seconds))))

    @precondition(lambda self: len(self.rows.journal) > 15)
    @rule(type_id=st.sampled_from([LIMITED, EARLY]))
    def retire(self, type_id: UUID) -> None:
        self._ask(RetireTicketType(EVENT, type_id))

    @precondition(lambda self: len(self.rows.journal) > 5)
    @rule(which=st.integers(0, 3), price=st.sampled_from([400, 1200]), most=st.integers(2, 4))
    def change_type(self, which: int, price: int, most: int) -> None:
        terms = replace(TICKET_TYPES[which], price_minor=price, per_booking_max=most)
        self._ask(PutTicketType(EVENT, terms))

    @precondition(lambda self: len(self.rows.journal) > 15)
    @rule()
    def retire_promo(self) -> None:
        self._ask(RetirePromoCode(EVENT, PROMO.promo_id))

    @rule()
    def take_back_what_is_due(self) -> None:
        self._ask(WakeSale(EVENT))

    @precondition(lambda self: len(self.rows.journal) > 20)
    @rule()
    def call_off(self) -> None:
        self._ask(CancelSale(EVENT))

    @rule(seconds=st.sampled_from([1, 5, 10, 29, 30]))
    def wait(self, seconds: int) -> None:
        self._decide()
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: len(self.rows.journal) > 20)
    @rule(seconds=st.sampled_from([60, 3600]))
    def wait_long(self, seconds: int) -> None:
        self._decide()
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.batch)
    @rule()
    def commit(self) -> None:
        self._decide()

    # What must always be so

    @invariant()
    def the_rows_add_up(self) -> None:
        if not self.batch:
            self.rows.check()

    @invariant()
    def nothing_is_held_too_long_nor_promised_to_nobody(self) -> None:
        if self.batch:
            return
        assert self.rows.sale is not None
        for pool_id, pool in self.rows.sale.pools.items():
            assert (pool.held, pool.sold) == self.model.taken(pool_id)
            assert pool.set_aside == self.model.promised(pool_id)
            assert pool.capacity == self.model.pools[pool_id].capacity

    def teardown(self) -> None:
        # After a failure or a timeout, rows and model differ: what they would say hides the cause
        if hasattr(self, "rows") and not self.is_deciding:
            self._ask(WakeSale(EVENT))
            self._decide()
            self.rows.check()

    def _decide(self) -> None:
        if not self.batch:
            return
        batch, self.batch, self.is_deciding = self.batch, [], True
        outcomes = self.rows.run(batch, self.now)
        self.model.begin(self.now)
        for command, outcome in zip(batch, outcomes, strict=True):
            self.model.judge(command, outcome)
        self.model.end(self.rows.bookings, self.rows.entries, self.rows.transfers)
        self.codes |= {
            (each.ticket_id, each.secret): None
            for booking in self.rows.bookings.values()
            for each in booking.tickets
        }
        self.is_deciding = False

    def _ask(self, command: Command) -> None:
        self.batch.append(command)
        if isinstance(command, PlaceBooking | CancelBooking | JoinWaitlist) and command.key is not None:
            self.asked.append(command)

    def _pick(self, pick: int, *states: str) -> Booking:
        """Return a booking; mostly one in these states, for much is refused otherwise."""
        everything = list(self.rows.bookings.values())
        some = [booking for booking in everything if booking.state in states] if pick % 4 else everything
        return (some or everything)[-1 - pick // 4 % len(some or everything)]


def _address(person_id: UUID) -> str:
    return f"{person_id.int}@evently.example"


def test_any_history(*, prove: bool) -> None:
    examples = EXAMPLES_TO_PROVE if prove else EXAMPLES
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        AnyHistory,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=checks,
            print_blob=True,
        ),
    )
