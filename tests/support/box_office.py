"""A whole server in this process, with an organizer, an event and people, used over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2

from evently import organizing, sales
from evently.app import running
from evently.catalogue import Event, Venue
from evently.config import Config
from evently.kit.clock import utc_now
from evently.kit.ids import new_id, show_id
from evently.kit.money import Money
from evently.organizing import NewPool, NewTicketType, SaleTerms, SeatingDraft, ZoneDraft
from evently.reactions import EFFECTS
from evently.reactions.relay import Relay
from evently.sales.terms import Conditions
from evently.seating import SeatMap, add_seat_map, parse
from evently.web.application import create_asgi
from evently.web.services import Services
from tests.support.catalogue import event_terms, make_organizer, make_venue, sale_terms

SECRET = "a secret of the tests, long enough to sign"


def _row(section: str, name: str, seats: int, y: float) -> dict[str, Any]:
    return {
        "name": name,
        "seats": [
            {"id": f"{section}-{name}-{number}", "label": str(number), "x": number, "y": y}
            for number in range(1, seats + 1)
        ],
    }


HALL: SeatMap = parse(
    {
        "name": "Hall",
        "sections": [
            {"name": "Stalls", "rows": [_row("S", "A", 6, 2), _row("S", "B", 6, 3)]},
            {"name": "Balcony", "rows": [_row("B", "A", 4, 9)]},
        ],
    }
)


class BoxOffice:
    """`client` sends HTTP; `as_buyer` and `as_member` return the headers of a new person."""

    def __init__(self, context: Services, asgi: Any, client: httpx2.AsyncClient, venue: Venue) -> None:
        self.context = context
        self.asgi = asgi
        self.client = client
        self.venue = venue

    async def open_event(
        self,
        *,
        publish: bool = True,
        starts_in: timedelta = timedelta(days=30),
        terms: SaleTerms | None = None,
        **sale: Any,
    ) -> Event:
        """Put an event on sale: under `terms`, or else `sale` as in `sale_terms`."""
        now = utc_now()
        said = event_terms(
            self.venue.venue_id, starts_at=now + starts_in, ends_at=now + starts_in + timedelta(hours=3)
        )
        async with self.context.database.transaction() as tx:
            event, _ = await organizing.create_event(
                tx, self.venue.organizer_id, said, terms or sale_terms(**sale), now
            )
            return (await organizing.publish_event(tx, event.event_id, now)).event if publish else event

    async def open_hall(self, **conditions: Any) -> Event:
        """Put an event on sale with stalls, balcony and standing room, under `conditions`."""
        async with self.context.database.transaction() as tx:
            added = await add_seat_map(tx, self.venue.organizer_id, self.venue.venue_id, HALL, utc_now())
        zones = (
            ZoneDraft(name="Stalls", sections=("Stalls",)),
            ZoneDraft(name="Balcony", sections=("Balcony",)),
        )
        terms = SaleTerms(
            currency="EUR",
            pools=(NewPool("Floor", 50),),
            ticket_types=(
                NewTicketType(name="Stalls", price=Money(4000, "EUR"), zone="Stalls"),
                NewTicketType(name="Child", price=Money(2000, "EUR"), zone="Stalls"),
                NewTicketType(name="Balcony", price=Money(3000, "EUR"), zone="Balcony"),
                NewTicketType(name="Floor", price=Money(2500, "EUR"), pools=("Floor",)),
            ),
            conditions=Conditions(**conditions) if conditions else None,
            seating=SeatingDraft(seat_map_id=added.seat_map_id, zones=zones),
        )
        return await self.open_event(terms=terms)

    async def ticket_type(self, event: Event) -> str:
        """Return the event's first ticket type."""
        page = (await self.client.get(f"/v1/events/{show_id('evt', event.event_id)}/availability")).json()
        first: str = page["ticket_types"][0]["ticket_type_id"]
        return first

    async def types(self, event: Event) -> dict[str, str]:
        """Return the event's ticket types by name."""
        sale = await sales.reads.find_sale(self.context.database, event.event_id)
        return {terms.name: show_id("tty", terms.ticket_type_id) for terms in sale.ticket_types.values()}

    def as_person(self, person_id: UUID, role: Any = "buyer") -> dict[str, str]:
        """Return the headers of a person with a session of their own."""
        return {
            "Authorization": f"Bearer {self.context.accounts.tokens.issue_access(person_id, role, new_id())}"
        }

    def as_buyer(self) -> dict[str, str]:
        """Return the headers of a new buyer."""
        return self.as_person(new_id())

    async def as_member(self, role: str, organizer_id: UUID | None = None) -> dict[str, str]:
        """Return the headers of a new member of an organizer, by default this one."""
        person_id, now = new_id(), utc_now()
        async with self.context.database.transaction() as tx:
            await tx.execute(
                "INSERT INTO people (person_id, email, name, role, version, created_at) VALUES "
                "($1, $2, 'Member', 'buyer', 1, $3)",
                person_id,
                f"{person_id}@evently.example",
                now,
            )
            await tx.execute(
                "INSERT INTO organizer_members (organizer_id, person_id, role, version, since) "
                "VALUES ($1, $2, $3, 1, $4)",
                organizer_id or self.venue.organizer_id,
                person_id,
                role,
                now,
            )
        return self.as_person(person_id)

    async def post(self, path: str, headers: dict[str, str], /, **body: Any) -> httpx2.Response:
        """Post a body."""
        return await self.client.post(path, json=body, headers=headers)

    async def place(
        self, event: Event, headers: dict[str, str], *lines: dict[str, Any], **more: Any
    ) -> httpx2.Response:
        """Book lines."""
        return await self.post(
            f"/v1/events/{show_id('evt', event.event_id)}/bookings", headers, lines=lines, **more
        )

    async def deliver(self) -> None:
        """Run the relay until every fact is delivered."""
        relay = Relay(self.context.database, self.context.clock, EFFECTS)
        while await self.context.database.fetch_value(
            "SELECT count(*) FROM journal WHERE delivered_at IS NULL"
        ):
            await relay.run_once()
        await relay.retire()

    async def book(
        self, event: Event, headers: dict[str, str], quantity: int = 1, **more: str
    ) -> httpx2.Response:
        """Book the first ticket type, or `ticket_type=`; `key=` sends an Idempotency-Key."""
        type_id = more.get("ticket_type") or await self.ticket_type(event)
        body = {"lines": [{"ticket_type_id": type_id, "quantity": quantity}]}
        sent = headers | ({"Idempotency-Key": more["key"]} if "key" in more else {})
        return await self.client.post(
            f"/v1/events/{show_id('evt', event.event_id)}/bookings", json=body, headers=sent
        )


@asynccontextmanager
async def open_box_office(database_url: str, **settings: Any) -> AsyncIterator[BoxOffice]:
    """Open everything on a database."""
    config = Config(
        **{
            "database_url": database_url,
            "secret": SECRET,
            "background": False,
            "access_log": False,
            "gateway": "demo",
            **settings,
        }
    )
    async with running(config) as context:
        asgi: Any = create_asgi(context)
        transport = httpx2.ASGITransport(app=asgi)
        async with httpx2.AsyncClient(transport=transport, base_url="http://evently.example") as client:
            venue = await make_venue(context.database, await make_organizer(context.database))
            yield BoxOffice(context, asgi, client, venue)


def instant(text: str) -> datetime:
    """Return an instant as clients read it."""
    return datetime.fromisoformat(text)


def problem_of(response: httpx2.Response, status: int) -> str:
    """Return the code of a problem, which must be a whole one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    said = response.json()
    assert said["status"] == status
    assert said["request_id"] == response.headers["x-request-id"]
    code: str = said["code"]
    return code
