"""Events and bookings beyond the demo, in the states that the gallery shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from playwright.async_api import BrowserContext

from evently import organizing
from evently.catalogue import Event, slug_of
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.organizing import EventChanges, NewPool, NewTicketType, PromoDraft, SaleTerms
from evently.sales.terms import Conditions, Fees, RefundWindow
from tests.support.box_office import BoxOffice
from tests.support.catalogue import event_terms

NAME: Final = "Zoë Okafor"
PASSWORD: Final = "a long enough pass phrase"
ONLINE: Final = Conditions(
    payment="online",
    hold_seconds=600,
    fees=Fees(50, 300),
    refund_windows=(RefundWindow(168, 10_000), RefundWindow(24, 5_000)),
    give_back_days=14,
)
BRIEF: Final = Conditions(payment="online", hold_seconds=15)
ONLINE_FREE: Final = Conditions(payment="online", hold_seconds=600)
LONG_WORDS: Final = (
    "Rindfleischetikettierungsüberwachungsaufgabenübertragungsgesetz und "
    "Grundstücksverkehrsgenehmigungszuständigkeitsübertragungsverordnung"
)
LONG_TITLE: Final = (
    "The Extraordinary and Entirely True History of the Seven Lighthouse Keepers, the Brass Band That Would "
    "Not Stop, and the Night on Which All of Them Were Asked to Play at the Same Wedding"
)
MANY: Final = (
    "Early bird", "Regular", "Last minute", "Student", "Senior", "Child under 12", "Family of four",
    "Group of ten", "Wheelchair and companion", "Balcony", "Standing", "Table for two", "Box with supper",
    "Members", "Press",
)  # fmt: skip


@dataclass
class Buyer:
    """A person with a session in a browser."""

    person_id: UUID
    headers: dict[str, str]


@dataclass
class Scenes:
    """The addresses of the events, by what they show; `..._id`: without the title."""

    office: BoxOffice
    month: str = ""
    plain: str = ""
    plain_id: str = ""
    choice: str = ""
    hall: str = ""
    strict_hall: str = ""
    full_hall: str = ""
    theatre: str = ""
    theatre_choice: str = ""
    two_seats: str = ""
    code_choice: str = ""
    few: str = ""
    few_id: str = ""
    few_type: str = ""
    sold_out: str = ""
    sold_out_id: str = ""
    sold_out_type: str = ""
    many_types: str = ""
    not_yet: str = ""
    sale_ended: str = ""
    over: str = ""
    cancelled: str = ""
    long_title: str = ""
    long_words: str = ""
    arabic: str = ""
    japanese: str = ""
    made: dict[str, Event] = field(default_factory=dict)
    other: dict[str, str] = field(default_factory=dict)  # the headers of another buyer

    async def buyer(self, context: BrowserContext, url: str) -> Buyer:
        """Put the session of a new person into a browser."""
        email = f"zoe.okafor.{new_id().hex[-4:]}@evently.example"
        accounts = self.office.context.accounts
        await accounts.register(email, NAME, PASSWORD, None)
        grant = await accounts.login(email, PASSWORD, None, in_browser=True)
        value = f"{grant.refresh_token}.{grant.access_token}"
        await context.add_cookies([{"name": "evently", "value": value, "url": url}])
        person_id = await self.office.context.database.fetch_value(
            "SELECT person_id FROM people WHERE email = $1", email
        )
        return Buyer(person_id, {"Authorization": f"Bearer {grant.access_token}"})

    async def book(self, name: str, buyer: Buyer, quantity: int = 2) -> str:
        """Book the first ticket type of an event; return the id of the booking."""
        answer = await self.office.book(self.made[name], buyer.headers, quantity)
        assert answer.status_code == 201, answer.text
        booked: str = answer.json()["id"]
        return booked

    async def sell_out(self, name: str, buyer: Buyer) -> tuple[str, str]:
        """Book half of an event of four places for the buyer, and half for another; return both bookings."""
        mine = await self.book(name, buyer)
        answer = await self.office.book(self.made[name], self.other, 2)
        return mine, answer.json()["id"]

    async def cancel_one(self, booking: str) -> None:
        """Cancel a ticket of the other buyer's booking."""
        answer = (await self.office.client.get(f"/v1/bookings/{booking}", headers=self.other)).json()
        chosen = {"ticket_ids": [answer["tickets"][0]["id"]]}
        cancelled = await self.office.post(f"/v1/bookings/{booking}/cancel", self.other, **chosen)
        assert cancelled.status_code == 200, cancelled.text

    async def hold(self, buyer: Buyer) -> str:
        """Hold tickets that are paid online."""
        return await self.book("online", buyer)

    async def pay(self, booking: str, buyer: Buyer, method: str) -> None:
        """Pay with a test card."""
        path = f"/v1/bookings/{booking}/payments"
        answer = await self.office.client.post(path, json={"method": method}, headers=buyer.headers)
        assert answer.status_code < 400, answer.text

    async def take_seat(self) -> None:
        """Take one of `two_seats` for another buyer."""
        event = self.made["hall"]
        types = await self.office.types(event)
        line = {"ticket_type_id": types["Stalls"], "seats": ["S-A-3"]}
        answer = await self.office.place(event, self.office.as_buyer(), line)
        assert answer.status_code == 201, answer.text

    async def bookings_of(self, buyer: Buyer) -> dict[str, str]:
        """Return bookings in their states, by the names of their pictures."""
        office = self.office
        door, free = await self.book("door", buyer), await self.book("free", buyer, 1)
        cancelled = await self.book("door", buyer)
        await office.post(f"/v1/bookings/{cancelled}/cancel", buyer.headers)
        moved, off = await self.book("moved", buyer), await self.book("off", buyer)
        now = utc_now()
        async with office.context.database.transaction() as tx:
            starts_at = now + timedelta(days=44)
            changes = EventChanges(starts_at=starts_at, ends_at=starts_at + timedelta(hours=3))
            await organizing.change_event(tx, self.made["moved"].event_id, changes, now)
            await organizing.cancel_event(tx, self.made["off"].event_id, now)
        return {
            "confirmed-door": door,
            "confirmed-free": free,
            "cancelled": cancelled,
            "event-moved": moved,
            "booking-event-cancelled": off,
        }

    async def too_late(self, buyer: Buyer) -> str:
        """Return a booking that cannot be cancelled any more."""
        return await self.book("soon", buyer)

    async def void_ticket(self, buyer: Buyer) -> str:
        """Return a ticket that was cancelled."""
        booking = await self.book("door", buyer)
        answer = (await self.office.post(f"/v1/bookings/{booking}/cancel", buyer.headers)).json()
        ticket: str = answer["tickets"][0]["id"]
        return ticket

    async def offer(self, buyer: Buyer) -> None:
        """Give tickets back for which the buyer waits first."""
        event = self.made["waited"]
        other = self.office.as_buyer()
        booked = (await self.office.book(event, other, 2)).json()["id"]
        path = f"/v1/events/{show_id('evt', event.event_id)}/waitlist"
        body = {"ticket_type_id": await self.office.ticket_type(event), "quantity": 2}
        answer = await self.office.client.post(path, json=body, headers=buyer.headers)
        assert answer.status_code == 201, answer.text
        await self.office.post(f"/v1/bookings/{booked}/cancel", other)


async def set_scenes(office: BoxOffice) -> Scenes:
    """Make the events, and return where they are."""
    scenes = Scenes(office, other=office.as_buyer())
    await _make_plain(scenes)
    await _make_states(scenes)
    await _make_texts(scenes)
    await _make_halls(scenes)
    return scenes


async def _make_plain(scenes: Scenes) -> None:
    terms = _sale(ONLINE, {"Regular": 2_600, "Reduced": 1_400}, 80)
    event = scenes.made["online"] = await _publish(scenes, "Nightingales, Live", terms, days=24)
    scenes.plain, scenes.plain_id = _address(event), _address_of(event)
    type_id = await scenes.office.ticket_type(event)
    scenes.choice = f"{scenes.plain_id}/book?{type_id}=2"
    scenes.month = f"/events?view=month&month={event.starts_at:%Y-%m}"
    many = {name: 900 + 250 * number for number, name in enumerate(MANY)}
    event = await _publish(scenes, "A Fair With Something for Everybody", _sale(ONLINE, many, 12), days=26)
    scenes.many_types = _address(event)
    types = await scenes.office.types(event)
    lines = [{"ticket_type_id": types[name], "quantity": 4} for name in MANY[:3]]
    for _ in range(1):
        await scenes.office.place(event, scenes.office.as_buyer(), *lines)
    event = scenes.made["few"] = await _publish(
        scenes, "Cellar Jazz", _sale(None, {"Seat": 1_800}, 3), days=12
    )
    scenes.few, scenes.few_id = _address(event), _address_of(event)
    scenes.few_type = await scenes.office.ticket_type(event)
    event = await _publish(scenes, "One Voice, One Chair", _sale(None, {"Chair": 2_200}, 2), days=18)
    await scenes.office.book(event, scenes.office.as_buyer(), 2)
    scenes.sold_out, scenes.sold_out_id = _address(event), _address_of(event)
    scenes.sold_out_type = await scenes.office.ticket_type(event)


async def _make_states(scenes: Scenes) -> None:
    now = utc_now()
    opens = _sale(ONLINE, {"Regular": 3_400}, 50)
    event = await _publish(scenes, "The Spring Gala", opens, days=90, on_sale_at=now + timedelta(days=20))
    scenes.not_yet = _address(event)
    ended = _sale(None, {"Regular": 3_400}, 50)
    ahead = now - timedelta(days=10)
    event = await _publish(
        scenes, "Breakfast Concert", ended, days=3, now=ahead, off_sale_at=now - timedelta(hours=2)
    )
    scenes.sale_ended = _address(event)
    event = await _publish(scenes, "Last Month's Choir", ended, days=-6, now=now - timedelta(days=40))
    scenes.over = _address(event)
    event = await _publish(scenes, "The Frozen Lake Ball", _sale(ONLINE, {"Regular": 3_400}, 50), days=33)
    async with scenes.office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, event.event_id, now)
    scenes.cancelled = _address(event)
    for name, title, terms, days in (
        ("door", "Tea Dance", _sale(None, {"Regular": 800}, 200), 9),
        ("free", "Open Rehearsal", _sale(None, {"Guest": 0}, 40), 15),
        ("moved", "The Travelling Circus", _sale(None, {"Ring side": 3_000}, 60), 41),
        ("off", "The Rain Festival", _sale(None, {"Meadow": 4_500}, 60), 50),
        ("brief", "Ten Seconds of Fame", _sale(BRIEF, {"Seat": 1_500}, 60), 22),
        ("full", "Puppets in the Attic", _sale(ONLINE_FREE, {"Cushion": 0}, 2), 27),
        ("shared", "Two Pianos, Four Chairs", _sale(ONLINE_FREE, {"Chair": 0}, 4), 28),
        ("waited", "The Smallest Theatre", _sale(ONLINE, {"Chair": 3_500}, 2), 29),
    ):
        scenes.made[name] = await _publish(scenes, title, terms, days=days)
    strict = Conditions(payment="door", cancel_hours_before=48)
    scenes.made["soon"] = await _publish(
        scenes, "Tonight: Poetry", _sale(strict, {"Seat": 900}, 60), days=0.9
    )


async def _make_texts(scenes: Scenes) -> None:
    free = _sale(None, {"Guest": 0}, 40)
    scenes.long_title = _address(
        await _publish(scenes, LONG_TITLE, _sale(ONLINE, {"Regular": 2_600}, 50), days=17)
    )
    words = _sale(ONLINE, {LONG_WORDS[:63]: 2_600, "Ermäßigt": 1_400}, 50)
    scenes.long_words = _address(
        await _publish(scenes, LONG_WORDS, words, days=19, description=f"{LONG_WORDS} " * 3)
    )
    arabic = "ليلة العود: موسيقى من القاهرة وبيروت"
    scenes.arabic = _address(
        await _publish(scenes, arabic, free, days=21, description="أمسية هادئة مع العود والناي والإيقاع.")
    )
    yen = SaleTerms(
        currency="JPY", capacity=30, ticket_types=(NewTicketType(name="一般", price=Money(3_500, "JPY")),)
    )
    scenes.japanese = _address(
        await _publish(scenes, "冬の夜の弦楽四重奏", yen, days=23, description="雪の降る夜に、四つの楽器で。")
    )


async def _make_halls(scenes: Scenes) -> None:
    office = scenes.office
    hall = scenes.made["hall"] = await office.open_hall(payment="online", hold_seconds=600)
    scenes.hall = _address_of(hall)
    types = await office.types(hall)
    scenes.two_seats = f"seat={types['Stalls']}:S-A-3&seat={types['Stalls']}:S-A-4"
    scenes.code_choice = f"{types['Floor']}=3&code=TENOFF"
    async with office.context.database.transaction() as tx:
        off = PromoDraft(code="TENOFF", kind="fixed_per_booking", amount=Money(1_000, "EUR"))
        await organizing.add_promo_code(tx, hall.event_id, off, utc_now())
    strict = await office.open_hall(payment="online", hold_seconds=600, orphans_forbidden=True)
    scenes.strict_hall = _address_of(strict)
    full = await office.open_hall()
    scenes.full_hall = _address_of(full)
    types = await office.types(full)
    for name, quantity in (("Stalls", 10), ("Stalls", 2), ("Balcony", 4)):
        line = {"ticket_type_id": types[name], "quantity": quantity}
        answer = await office.place(full, office.as_buyer(), line)
        assert answer.status_code == 201, answer.text
    floor = {"ticket_type_id": types["Floor"], "quantity": 10}
    for _ in range(5):
        await office.place(full, office.as_buyer(), floor)
    found = (await office.client.get("/v1/events?q=winter+night+theatre")).json()["data"][0]
    scenes.theatre = f"/events/{found['id']}"
    availability = (await office.client.get(f"/v1/events/{found['id']}/availability")).json()
    scenes.theatre_choice = f"{availability['ticket_types'][0]['ticket_type_id']}=2"


def _sale(conditions: Conditions | None, prices: dict[str, int], capacity: int) -> SaleTerms:
    """Return how an event is sold; each ticket type has a pool of its own."""
    return SaleTerms(
        currency="EUR",
        pools=tuple(NewPool(name, capacity) for name in prices),
        ticket_types=tuple(
            NewTicketType(name=name, price=Money(price, "EUR"), pools=(name,))
            for name, price in prices.items()
        ),
        conditions=conditions,
    )


async def _publish(
    scenes: Scenes,
    title: str,
    sale: SaleTerms,
    *,
    days: float,
    now: datetime | None = None,
    on_sale_at: datetime | None = None,
    off_sale_at: datetime | None = None,
    **said: Any,
) -> Event:
    """Publish an event that starts in so many days."""
    venue, present = scenes.office.venue, utc_now()
    starts_at = (present + timedelta(days=days)).replace(hour=18, minute=30, second=0, microsecond=0)
    terms = event_terms(
        venue.venue_id,
        title=title,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(hours=3),
        **{"description": "Two sets and an interval. The doors open an hour before.", "tags": ("live",)}
        | said,
    )
    async with scenes.office.context.database.transaction() as tx:
        event, _ = await organizing.create_event(tx, venue.organizer_id, terms, sale, now or present)
        if on_sale_at is not None or off_sale_at is not None:
            window = EventChanges(on_sale_at=on_sale_at, off_sale_at=off_sale_at)
            await organizing.change_event(tx, event.event_id, window, now or present)
        return (await organizing.publish_event(tx, event.event_id, now or present)).event


def _address_of(event: Event) -> str:
    return f"/events/{show_id('evt', event.event_id)}"


def _address(event: Event) -> str:
    return f"{_address_of(event)}/{slug_of(event.title)}"
