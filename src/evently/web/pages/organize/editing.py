"""What people read about an event, and its time and place. A move of a published event is confirmed first."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from msgspec import UNSET

from evently import catalogue, checkout, organizing
from evently.catalogue import Category, Event, whichever_version
from evently.db import Connection
from evently.kit.errors import Refused
from evently.kit.ids import NO_ID, EventId, find_id, show_id
from evently.kit.money import Money
from evently.organizing import Edited, EventChanges
from evently.pictures import digest_in
from evently.sales.reads import Sale, find_sale
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import PROBLEMS, sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, read_file, read_form
from evently.web.pages.organize.creating import category_options, venue_options
from evently.web.pages.organize.desk import MANAGERS, Desk, open_event, render_desk
from evently.web.pages.organize.saving import SAVED, save, show_stale
from evently.web.pages.organize.typed import Typed, same_version, show_moment
from evently.web.pages.rendering import act, see_other, show
from evently.web.pictures import FORM_BYTES_MAX, PICTURE_BYTES_MAX, remove_picture, upload_picture
from evently.web.services import Request

_STALE: Final = 412
_TOO_LONG: Final = f"The file may have at most {PICTURE_BYTES_MAX // 1024 // 1024} MB."
_VENUES_MAX: Final = 100
_LABELS: Final = {
    "title": "Title",
    "description": "Description",
    "category": "Category",
    "tags": "Tags",
    "image_url": "Picture elsewhere",
    "venue": "Venue",
    "starts_day": "Day",
    "starts_clock": "Starts at",
    "ends_day": "Ends on",
    "ends_clock": "Ends at",
    "on_sale_day": "On sale from",
    "on_sale_clock": "On sale from, time",
    "off_sale_day": "On sale until",
    "off_sale_clock": "On sale until, time",
}
_FIELDS: Final = {
    "/title": "title",
    "/description": "description",
    "/tags": "tags",
    "/image_url": "image_url",
    "/venue_id": "venue",
    "/starts_at": "starts_day",
    "/starts_at_local": "starts_day",
    "/ends_at": "ends_day",
    "/ends_at_local": "ends_day",
    "/off_sale_at": "off_sale_day",
    "/on_sale_at": "on_sale_day",
}
Done = Annotated[str, QueryParameter(max_length=10)]


@show("/organize/events/{event_id}/edit", **policy(MANAGERS))
async def show_details(request: Request, event_id: FromPath[EventId], done: Done = "") -> Response[str]:
    """Return the form with what people read about an event."""
    desk = await open_event(request, event_id)
    assert desk.event is not None, "it was just read"
    sale = await find_sale(request.context.database, event_id)
    values = values_of(desk.event, sale) | {"version": str(desk.event.version)}
    return await _page(request, desk, Form(list(values.items())), [], done=done)


@act("/organize/events/{event_id}/edit", **policy(MANAGERS))
async def change_details(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Change an event; ask first when buyers would be told."""
    form, now = await read_form(request), request.context.clock()
    desk = await open_event(request, event_id)
    event = desk.event
    assert event is not None, "it was just read"
    typed, sale = Typed(form), await find_sale(request.context.database, event_id)
    changes = _read(typed, event, sale)
    moves = event.state == "published" and any(
        getattr(changes, name) is not UNSET for name in ("venue_id", "starts_at_local")
    )
    asks = moves and not form.text("confirmed")

    async def change(tx: Connection) -> Edited:
        return await organizing.change_event(tx, event_id, changes, now, same_version(form))

    status = await save(request, event_id, typed, _FIELDS, change, dry_run=asks)
    if status == _STALE:
        address = f"{desk.event_address}/edit"
        return await show_stale(request, desk, form, event.version, _LABELS, values_of(event, sale), address)
    if status != SAVED:
        return await _page(request, desk, form, typed.errors, status=status)
    if asks:
        return await _ask(request, desk, form, changes)
    return see_other(f"{desk.event_address}/edit?done=yes")


def values_of(event: Event, sale: Sale) -> dict[str, str]:
    """Return an event as its form shows it.

    The sale of a draft begins when it is published, unless a later beginning is set: then it is shown.
    """
    zone = event.place.zone
    begins = None if sale.on_sale_at <= event.changed_at and event.state == "draft" else sale.on_sale_at
    return {
        "title": event.title,
        "description": event.description,
        "category": event.category.value,
        "tags": ", ".join(event.tags),
        "image_url": "" if digest_in(event.image_url) else event.image_url or "",
        "venue": show_id("ven", event.venue_id),
        **show_moment("starts", event.starts_at, zone),
        **show_moment("ends", event.ends_at, zone),
        **show_moment("on_sale", begins, zone),
        **show_moment("off_sale", None if sale.off_sale_at == event.starts_at else sale.off_sale_at, zone),
    }


def _read(typed: Typed, event: Event, sale: Sale) -> EventChanges:
    """Return what differs from the event; what was not touched is not sent, so that it cannot be wrong."""
    form, before = typed.form, values_of(event, sale)
    changed = {name for name in before if _same(form.text(name)) != _same(before[name])}
    said: dict[str, Any] = {}
    for name in ("title", "description"):
        if name in changed:
            said[name] = form.text(name).replace("\r\n", "\n")
    if "category" in changed and form.text("category") in {each.value for each in Category}:
        said["category"] = Category(form.text("category"))
    if "tags" in changed:
        said["tags"] = tuple(tag.strip() for tag in form.text("tags").split(",") if tag.strip())
    if "image_url" in changed:
        said["image_url"] = form.text("image_url") or None
    if "venue" in changed:
        said["venue_id"] = find_id("ven", form.text("venue")) or NO_ID
    for field, text in (("starts", "Enter the day on which it starts."), ("ends", "Enter when it ends.")):
        if changed & {f"{field}_day", f"{field}_clock"}:
            moment = typed.moment(field, required=text)
            if moment is not None:
                said[f"{field}_at_local"] = moment
    for field in ("on_sale", "off_sale"):
        if changed & {f"{field}_day", f"{field}_clock"}:
            said[f"{field}_at"] = typed.instant(field, event.place.zone)
    return EventChanges(**said)


def _same(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


async def _ask(request: Request, desk: Desk, form: Form, changes: EventChanges) -> Response[str]:
    """Return the page that says what a move means to the buyers, before it is made."""
    database, event = request.context.database, desk.event
    assert event is not None, "it was just read"
    found = await checkout.preview_cancellation(database, event.event_id)
    sale = await find_sale(database, event.event_id)
    venue = event.venue_name
    if changes.venue_id is not UNSET:
        venue = (await catalogue.get_venue(database, changes.venue_id)).name
    starts = event.starts_at_local if changes.starts_at_local is UNSET else changes.starts_at_local
    return render_desk(
        request,
        desk,
        "moving.html",
        pairs=form.pairs,
        starts=starts,
        venue=venue,
        bookings=found.bookings,
        to_refund=Money(found.to_refund_minor, found.currency),
        days=sale.conditions_now()[1].give_back_days,
    )


@act("/organize/events/{event_id}/picture", **policy(MANAGERS, rate="heavy", body_bytes_max=FORM_BYTES_MAX))
async def change_picture(request: Request, event_id: FromPath[EventId]) -> Response[str] | Response[None]:
    """Upload the picture of an event, or take it away. The last one who does that counts."""
    form, sent = await read_file(request, "picture")
    desk = await open_event(request, event_id)
    if form.text("remove"):
        await remove_picture(request, event_id, whichever_version)
        return see_other(f"{desk.event_address}/edit?done=removed#picture")
    said = "Choose a file." if not sent else _TOO_LONG if len(sent) > PICTURE_BYTES_MAX else ""
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if not said:
        try:
            await upload_picture(request, event_id, sent, "", whichever_version)
        except Refused as exc:
            status = HTTPStatus(PROBLEMS[exc.refusal].status)
            if status not in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
                raise
            said = sentence_of(exc)
    if not said:
        return see_other(f"{desk.event_address}/edit?done=picture#picture")
    assert desk.event is not None, "it was just read"
    sale = await find_sale(request.context.database, event_id)
    values = values_of(desk.event, sale) | {"version": str(desk.event.version)}
    return await _page(request, desk, Form(list(values.items())), [FormError("picture", said)], status=status)


async def _page(
    request: Request,
    desk: Desk,
    form: Form,
    errors: list[FormError],
    *,
    status: int = 200,
    done: str = "",
) -> Response[str]:
    event = desk.event
    assert event is not None, "it was just read"
    venues = await catalogue.list_venues(request.context.database, event.organizer_id, _VENUES_MAX, None)
    options = venue_options(venues.data)
    if all(given != show_id("ven", event.venue_id) for given, _ in options):
        venue = await catalogue.get_venue(request.context.database, event.venue_id)
        options = [*venue_options([venue]), *options]
    return render_desk(
        request,
        desk,
        "edit.html",
        status=status,
        form=form,
        errors=errors,
        done=done,
        category_options=category_options(),
        venue_options=options,
    )


routes: Final = [show_details, change_details, change_picture]
