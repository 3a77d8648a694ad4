"""The waiting room in the gallery: before it opens, in it, in the order, let in; the draw; at the desk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from evently.catalogue import Event
from evently.kit.ids import new_id, show_id
from evently.waitingroom import WaitingRoomTerms, put_room
from tests.browser.scenes import Scenes
from tests.support.box_office import BoxOffice
from tests.support.catalogue import sale_terms
from tests.support.desk import address_of, sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery


async def put_before_sale(office: BoxOffice, ahead: timedelta, **terms: object) -> Event:
    """Put an event on sale so long ahead, behind a waiting room."""
    now = office.context.clock()
    event = await office.open_event(terms=replace(sale_terms(capacity=400), on_sale_at=now + ahead))
    async with office.context.database.transaction() as tx:
        await put_room(tx, event.event_id, WaitingRoomTerms(**terms), now)  # type: ignore[arg-type]
    return event


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph them."""
    page, rooms = gallery.page, office.context.waiting_rooms
    await Scenes(office).buyer(page.context, url)
    far = await put_before_sale(office, timedelta(hours=30))
    await gallery.visit("room-upcoming", _address(far))
    await gallery.visit("room-event", f"/events/{show_id('evt', far.event_id)}#tickets", whole=True)
    soon = await put_before_sale(office, timedelta(hours=20), opens_minutes_before=1440)
    await gallery.visit("room-open", _address(soon))
    await page.goto(url + _address(soon))
    await page.get_by_role("button", name="Enter the waiting room").click()
    await gallery.visit("room-entered", _address(soon), narrow=True)
    await gallery.visit("room-draw-before", f"{_address(soon)}/draw")
    slow = await put_before_sale(office, timedelta(seconds=4), per_minute=1)
    for _ in range(40):
        await rooms.enter(slow.event_id, new_id())
    await _enter_and_wait(gallery, url, slow, "You are number")
    await gallery.visit("room-number", _address(slow), narrow=True)
    quick = await put_before_sale(office, timedelta(seconds=4), per_minute=6_000)
    for _ in range(12):
        await rooms.enter(quick.event_id, new_id())
    await _enter_and_wait(gallery, url, quick, "It is your turn")
    await gallery.visit("room-turn", _address(quick), narrow=True)
    await page.goto(f"{url}{_address(quick)}/draw")
    await page.get_by_role("button", name="Compute the order").click()
    await page.get_by_text("Everything agrees").wait_for()
    await gallery.shot("room-draw", whole=True, narrow=True)
    await sign_in_member(office, page.context, url)
    bare = await office.open_event(
        terms=replace(sale_terms(capacity=400), on_sale_at=office.context.clock() + timedelta(hours=30))
    )
    await gallery.visit("room-desk-none", f"{address_of(bare)}/waiting-room")
    await gallery.visit("room-desk-open", f"{address_of(soon)}/waiting-room", narrow=True)
    value = "drand quicknet, round 14520000: its randomness in hexadecimal"
    drawing = await put_before_sale(office, timedelta(seconds=1), public_source=value)
    await page.goto(f"{url}{address_of(drawing)}/waiting-room")
    while "Send the public value" not in await page.content():
        await page.reload()
    await gallery.visit("room-desk-value", f"{address_of(drawing)}/waiting-room")


async def _enter_and_wait(gallery: Gallery, url: str, event: Event, words: str) -> None:
    page = gallery.page
    await page.goto(url + _address(event))
    await page.get_by_role("button", name="Enter the waiting room").click()
    await page.get_by_role("heading", name=words).first.wait_for()


def _address(event: Event) -> str:
    return f"/events/{show_id('evt', event.event_id)}/waiting-room"
