"""The waiting room in the gallery: before it opens, in line, let in, too late, sold out; at the desk."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace

from evently import organizing
from evently.catalogue import Event
from evently.kit.ids import new_id, show_id
from evently.sales.commands.bookings import BookingLine, PlaceBooking
from evently.sales.outcomes import Booked
from evently.sales.reads import find_sale
from evently.waitingroom import WaitingRoomTerms, put_room
from tests.browser.scenes import Scenes
from tests.support.box_office import BoxOffice
from tests.support.catalogue import sale_terms
from tests.support.desk import address_of, sign_in_member

if TYPE_CHECKING:
    from tests.browser.gallery import Gallery

SOURCE = "drand quicknet, round 14520000: its randomness in hexadecimal"
VALUE = "b2dd2a8a4c1a0d2f6f9d4f0e9c5e7a31f6a54b0ac7d9a1b8b7fbd9a2f5c7e0d1"
PER_BOOKING = 10
AHEAD = timedelta(seconds=12)  # until the sale: enough to enter on a busy machine


async def put_before_sale(
    office: BoxOffice, ahead: timedelta, *, capacity: int = 400, **terms: object
) -> Event:
    """Put an event on sale so long ahead, behind a waiting room."""
    now = office.context.clock()
    event = await office.open_event(terms=replace(sale_terms(capacity=capacity), on_sale_at=now + ahead))
    async with office.context.database.transaction() as tx:
        await put_room(tx, event.event_id, WaitingRoomTerms(**terms), now)  # type: ignore[arg-type]
    return event


async def sell_out(office: BoxOffice, event_id: UUID, capacity: int) -> None:
    """Book everything, as people who were admitted do."""
    (type_id,) = (await find_sale(office.context.database, event_id)).ticket_types
    for _ in range(capacity // PER_BOOKING):
        line = BookingLine(type_id, PER_BOOKING)
        outcome = await office.context.engine.submit(PlaceBooking(event_id, new_id(), (line,), admitted=True))
        assert isinstance(outcome, Booked), outcome


async def miss_turns(office: BoxOffice, event_id: UUID) -> None:
    """Move all turns to an hour ago: nobody was there."""
    async with office.context.database.transaction() as tx:
        await tx.execute(
            "UPDATE waiting_room_paces SET from_at = from_at - interval '1 hour' WHERE event_id = $1",
            event_id,
        )


async def photograph(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph them."""
    await Scenes(office).buyer(gallery.page.context, url)
    soon = await _before(gallery, office, url)
    await _in_line(gallery, office, url)
    await _at_the_end(gallery, office, url)
    await _at_the_desk(gallery, office, url, soon)


async def _before(gallery: Gallery, office: BoxOffice, url: str) -> Event:
    """Photograph what people see before the sale begins."""
    page = gallery.page
    far = await put_before_sale(office, timedelta(hours=30))
    await gallery.visit("room-upcoming", _address(far))
    await gallery.visit("room-event", f"/events/{show_id('evt', far.event_id)}#tickets", whole=True)
    soon = await put_before_sale(office, timedelta(hours=20), opens_minutes_before=1440)
    await gallery.visit("room-open", _address(soon))
    await page.goto(url + _address(soon))
    await page.get_by_role("button", name="Enter the waiting room").click()
    await gallery.visit("room-entered", _address(soon), narrow=True)
    await page.get_by_text("How this works").click()
    await gallery.shot("room-how", whole=True)
    await gallery.visit("room-draw-before", f"{_address(soon)}/draw")
    await _without_script(gallery, url, "room-entered-without-script", _address(soon))
    return soon


async def _in_line(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph what people see who are in line, and whose turn it is."""
    page, rooms = gallery.page, office.context.waiting_rooms
    drawing = await put_before_sale(office, AHEAD, public_source=SOURCE)
    await _enter_and_wait(gallery, url, drawing, "The order is being drawn")
    await gallery.visit("room-drawing", _address(drawing))
    slow = await put_before_sale(office, AHEAD, per_minute=1)
    for _ in range(40):
        await rooms.enter(slow.event_id, new_id())
    await _enter_and_wait(gallery, url, slow, "You are number")
    await gallery.visit("room-number", _address(slow), narrow=True)
    await _without_script(gallery, url, "room-number-without-script", _address(slow))
    quick = await put_before_sale(office, AHEAD, per_minute=6_000)
    for _ in range(12):
        await rooms.enter(quick.event_id, new_id())
    await _enter_and_wait(gallery, url, quick, "It is your turn")
    await gallery.visit("room-turn", _address(quick), narrow=True)
    await page.goto(f"{url}{_address(quick)}/draw")
    await page.get_by_role("button", name="Compute the order").click()
    await page.get_by_text("Everything agrees").wait_for()
    await gallery.shot("room-draw", whole=True, narrow=True)


async def _at_the_end(gallery: Gallery, office: BoxOffice, url: str) -> None:
    """Photograph what people see who come late, missed their turn, or wait for nothing."""
    page, rooms = gallery.page, office.context.waiting_rooms
    gone = await put_before_sale(office, AHEAD, per_minute=1, capacity=20)
    for _ in range(3):
        await rooms.enter(gone.event_id, new_id())
    await _enter_and_wait(gallery, url, gone, "You are number")
    await sell_out(office, gone.event_id, 20)
    # The page hears of it by itself, when it asks the next time
    await page.get_by_text("Nothing is left right now").wait_for(timeout=90_000)
    await gallery.visit("room-sold-out", _address(gone), narrow=True)
    missed = await put_before_sale(office, AHEAD, per_minute=1)
    for _ in range(9):
        await rooms.enter(missed.event_id, new_id())
    await _enter_and_wait(gallery, url, missed, "You are number")
    await miss_turns(office, missed.event_id)
    await _reload_until(gallery, "Your turn has passed")
    await gallery.visit("room-passed", _address(missed))
    late = await put_before_sale(office, timedelta(seconds=1))
    await page.goto(url + _address(late))
    await _reload_until(gallery, "The sale has begun.")
    await gallery.visit("room-late", _address(late))
    async with office.context.database.transaction() as tx:
        await organizing.cancel_event(tx, late.event_id, office.context.clock())
    await _reload_until(gallery, "This event is cancelled")
    await gallery.visit("room-cancelled", _address(late))


async def _at_the_desk(gallery: Gallery, office: BoxOffice, url: str, soon: Event) -> None:
    """Photograph what organizers see, and a draw with a public value."""
    page = gallery.page
    await sign_in_member(office, page.context, url)
    bare = await office.open_event(
        terms=replace(sale_terms(capacity=400), on_sale_at=office.context.clock() + timedelta(hours=30))
    )
    await gallery.visit("room-desk-none", f"{address_of(bare)}/waiting-room")
    await gallery.visit("room-desk-open", f"{address_of(soon)}/waiting-room", narrow=True)
    drawing = await put_before_sale(office, AHEAD, public_source=SOURCE)
    for _ in range(17):
        await office.context.waiting_rooms.enter(drawing.event_id, new_id())
    await page.goto(f"{url}{address_of(drawing)}/waiting-room")
    await _reload_until(gallery, "Send the public value")
    await gallery.visit("room-desk-value", f"{address_of(drawing)}/waiting-room")
    await page.get_by_label("Public value").fill(VALUE)
    await page.get_by_role("button", name="Draw the order").click()
    await page.get_by_text("The order is drawn.").wait_for()
    await gallery.shot("room-desk-admitting")
    await page.goto(f"{url}{_address(drawing)}/draw")
    await page.get_by_role("button", name="Compute the order").click()
    await page.get_by_text("Everything agrees").wait_for()
    await gallery.shot("room-draw-with-value", whole=True)


async def _without_script(gallery: Gallery, url: str, name: str, address: str) -> None:
    """Photograph a page as a browser without script shows it."""
    browser, cookies = gallery.page.context.browser, await gallery.page.context.cookies()
    assert browser is not None, "the page has one"
    context = await browser.new_context(
        base_url=url, viewport=gallery.page.viewport_size, java_script_enabled=False
    )
    await context.add_cookies(cookies)  # type: ignore[arg-type]  # what was read can be set
    await type(gallery)(await context.new_page(), gallery.wanted).visit(name, address)
    await context.close()


async def _reload_until(gallery: Gallery, words: str) -> None:
    while words not in await gallery.page.content():
        await gallery.page.wait_for_timeout(200)
        await gallery.page.reload()


async def _enter_and_wait(gallery: Gallery, url: str, event: Event, words: str) -> None:
    page = gallery.page
    await page.goto(url + _address(event))
    await page.get_by_role("button", name="Enter the waiting room").click()
    await page.get_by_role("heading", name=words).first.wait_for()


def _address(event: Event) -> str:
    return f"/events/{show_id('evt', event.event_id)}/waiting-room"
