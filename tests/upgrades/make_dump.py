"""Make the dump again, when the version before is another one (`tests/support/versions.py`).

    .venv/bin/python -m tests.upgrades.make_dump

The code of the version before serves an empty database; over HTTP it gets organizers, events with and without
seats, bookings in every state, payments, refunds, a waitlist, a ticket that was passed on, and check-ins.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx2

from evently.db.embedded import EmbeddedOptions, EmbeddedPostgres
from evently.db.embedded.programs import find_programs
from evently.kit.clock import utc_now
from tests.support.postgres import scratch_directory
from tests.support.serving import serving
from tests.support.versions import BUYERS, DUMP, PASSWORD, unpack_code

_SEATS: Final = [
    {
        "name": row,
        "seats": [
            {"id": f"S-{row}-{number}", "label": str(number), "x": number * 0.55, "y": 2.0 + place}
            for number in range(1, 21)
        ],
    }
    for place, row in enumerate("ABCDEFGHIJ")
]


class Caller:
    """A person who calls the API of the version before."""

    def __init__(self, url: str, email: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=60)
        account = {"email": email, "password": PASSWORD}
        self.send("POST", "/v1/auth/register", account | {"name": email.partition("@")[0].title()})
        tokens = self.send("POST", "/v1/auth/login", account)
        self.http.headers["authorization"] = f"Bearer {tokens['access_token']}"

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send a request, and return the answer."""
        answer = self.http.request(method, path, json=body, headers=headers)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    def book(self, event: dict[str, Any], quantity: int, **more: Any) -> Any:
        """Book tickets of the first type of an event."""
        line = {"ticket_type_id": event["ticket_types"][0]["id"], "quantity": quantity}
        path = f"/v1/events/{event['id']}/bookings"
        return self.send("POST", path, {"lines": [line], **more}, **{"idempotency-key": str(uuid4())})

    def cancel(self, booking: dict[str, Any], **body: Any) -> Any:
        """Cancel a booking, or tickets of it."""
        return self.send("POST", f"/v1/bookings/{booking['id']}/cancel", body)

    def pay(self, booking: dict[str, Any], method: str = "succeeds") -> Any:
        """Pay for a booking."""
        return self.send("POST", f"/v1/bookings/{booking['id']}/payments", {"method": method})


def _make_events(owner: Caller) -> dict[str, dict[str, Any]]:
    organizer = owner.send("POST", "/v1/organizers", {"name": "Lakeside", "contact_email": "a@lake.example"})
    venue = owner.send(
        "POST",
        "/v1/venues",
        {
            "organizer_id": organizer["id"],
            "name": "Hall",
            "address": "Quay 1",
            "city": "Berlin",
            "country": "DE",
        }
        | {"time_zone": "Europe/Berlin"},
    )
    seat_map = owner.send(
        "POST",
        f"/v1/venues/{venue['id']}/seat-maps",
        {"map": {"name": "Hall", "sections": [{"name": "Stalls", "rows": _SEATS}]}},
    )
    common = {"organizer_id": organizer["id"], "venue_id": venue["id"], "currency": "EUR"} | {
        "starts_at": "2035-05-20T18:00:00Z",
        "ends_at": "2035-05-20T21:00:00Z",
    }
    price = {"amount": 4000, "currency": "EUR"}
    drafts: dict[str, dict[str, Any]] = {
        "standing": {
            "capacity": 500,
            "ticket_types": [{"name": "Standing", "price": price}],
            "conditions": {"payment": "door"},
        },
        "seated": {
            "seating": {"seat_map_id": seat_map["id"], "zones": [{"name": "Stalls"}]},
            "ticket_types": [{"name": "Stalls", "price": price, "zone": "Stalls"}],
            "conditions": {
                "payment": "online",
                "fees": {"fixed": {"amount": 100, "currency": "EUR"}, "basis_points": 200},
                "refund_windows": [{"hours_before": 24, "basis_points": 10_000}],
            },
        },
        "small": {"capacity": 2, "ticket_types": [{"name": "Chair"}]},
    }
    made = {}
    for name, draft in drafts.items():
        event = owner.send("POST", "/v1/events", common | {"title": f"The {name} evening"} | draft)
        code = {"code": "EARLY10", "kind": "percent", "basis_points": 1_000}
        owner.send("POST", f"/v1/events/{event['id']}/promo-codes", code)
        made[name] = owner.send("POST", f"/v1/events/{event['id']}/publish")
    return made


def fill(url: str) -> None:
    """Fill the database of a server."""
    owner = Caller(url, "owner@evently.example")
    events = _make_events(owner)
    buyers = [Caller(url, f"buyer-{number}@evently.example") for number in range(BUYERS)]
    for number, buyer in enumerate(buyers):
        booking = buyer.book(events["standing"], 2 + number % 3, promo_code="EARLY10" if number % 2 else None)
        if number % 3 == 1:
            buyer.cancel(booking, ticket_ids=[booking["tickets"][0]["id"]])
        held = buyer.book(events["seated"], 2)
        if number % 3 != 2:  # the others' holds expire
            buyer.pay(held)
        if number == 0:
            _wait_for(buyer, held, "captured")
            buyer.cancel(held)
    first, second, third = buyers[:3]
    chairs = first.book(events["small"], 2)
    wish = {"ticket_type_id": events["small"]["ticket_types"][0]["id"], "quantity": 1}
    for waiting in (second, third):
        waiting.send("POST", f"/v1/events/{events['small']['id']}/waitlist", wish)
    first.cancel(chairs, ticket_ids=[chairs["tickets"][0]["id"]])
    scan = {"id": str(uuid4()), "code": chairs["tickets"][1]["code"], "scanned_at": utc_now().isoformat()}
    owner.send("POST", f"/v1/events/{events['small']['id']}/scans", {"scans": [scan]})
    passed = second.send("GET", "/v1/me/bookings?limit=100")["data"][-1]
    ticket = next(
        each
        for each in second.send("GET", f"/v1/bookings/{passed['id']}")["tickets"]
        if each["state"] == "valid"
    )
    second.send("POST", f"/v1/tickets/{ticket['id']}/transfers", {"email": "somebody@evently.example"})
    time.sleep(3)  # the relay has delivered, and refunds are paid


def _wait_for(buyer: Caller, booking: dict[str, Any], state: str) -> None:
    for _ in range(100):
        payments = buyer.send("GET", f"/v1/bookings/{booking['id']}/payments")["data"]
        if payments[0]["state"] == state:
            return
        time.sleep(0.1)
    raise AssertionError(f"the payment is not {state}")


def _dump(url: str) -> str:
    """Return the database as statements, without those that only psql understands."""
    command = [find_programs(None).path("pg_dump"), "--no-owner", "--no-privileges", "--no-comments"]
    # The mailbox has tickets as PDF: two megabytes
    command += ["--rows-per-insert=100", "--exclude-table-data=mail_messages", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return re.sub(r"^(?:\\.*|--.*|)\n", "", text, flags=re.MULTILINE)


def main() -> None:
    """Write the dump."""
    with tempfile.TemporaryDirectory() as place, scratch_directory() as data:
        source = unpack_code(Path(place))
        with EmbeddedPostgres(EmbeddedOptions(data_directory=data, tcp_port=0)) as postgres:
            with serving(
                database_url=postgres.tcp_url,
                gateway="demo",
                demo="true",
                workers="1",
                rate_register="0",
                source=str(source),
            ) as server:
                fill(server.url)
            text = _dump(postgres.url)
    DUMP.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main()
