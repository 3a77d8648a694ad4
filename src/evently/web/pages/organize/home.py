"""Choosing or making an organizer, and its home: what is ahead, what was sold, what needs a person."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Annotated, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import accounts, analytics, catalogue, checkin, checkout
from evently.accounts.organizers import list_memberships
from evently.analytics import CurrencyTotals, Revenue, Scope, Slot, quarter_of
from evently.catalogue import Event
from evently.kit.errors import Invalid
from evently.kit.ids import OrganizerId
from evently.kit.money import Money
from evently.sales.reads import Places, list_places, list_sale_summaries
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.organizers import create_organizer
from evently.web.pages import words
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import (
    MEMBERS,
    event_address,
    open_desk,
    organizer_address,
    render_desk,
)
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 50  # organizers of a person, and events ahead: a screen or two
_SOON: Final = timedelta(days=30)  # a draft that starts before then should be on sale
_FIELDS: Final = {"/name": "name", "/contact_email": "contact_email"}
_UTC: Final = "UTC"
Choose = Annotated[str, QueryParameter(max_length=4)]
After = Annotated[str, QueryParameter(max_length=500)]


class Row(NamedTuple):
    """An event ahead. `percent`: of its places that are sold, and of those that are held."""

    event: Event
    address: str
    places: Places
    sold_percent: int
    held_percent: int


class Need(NamedTuple):
    """What needs a person, and where to do it; `title`: of the event that it is about."""

    title: str
    text: str
    step: str
    address: str


class Day(NamedTuple):
    """What was sold from midnight on, by currency: `tickets` without those that were cancelled."""

    tickets: int
    takings: list[Money]


class Sold(NamedTuple):
    """Today so far, beside yesterday until the same quarter of an hour."""

    today: Day
    yesterday: Day
    until: datetime  # on the clocks of `zone`
    zone: str


@show("/organize", **policy(SIGNED_IN))
async def choose_organizer(request: Request, choose: Choose = "") -> Response[str] | Response[None]:
    """Return the organizers of the reader; lead to the only one, or ask a reader without one for its name."""
    page = await list_memberships(request.context.database, request.actor.id, _SHOWN_MAX, None)
    if len(page.data) == 1 and not choose:
        return see_other(organizer_address(page.data[0].organizer.organizer_id))
    return await _choice(request, Form([]), [])


@act("/organize", **policy(SIGNED_IN))
async def add_organizer(request: Request) -> Response[str] | Response[None]:
    """Make an organizer whose owner is the reader."""
    form = await read_form(request)
    try:
        made = await create_organizer(request, form.text("name"), form.text("contact_email"))
    except Invalid as exc:
        return await _choice(request, form, errors_of(exc, _FIELDS))
    return see_other(organizer_address(made.organizer_id))


@show("/organize/{organizer_id}", **policy(MEMBERS))
async def show_home(
    request: Request, organizer_id: FromPath[OrganizerId], after: After = ""
) -> Response[str]:
    """Return the home of an organizer; one without events gets the steps to the first."""
    context = request.context
    desk = await open_desk(request, organizer_id)
    now = context.clock()
    page = await catalogue.list_events_ahead(context.database, organizer_id, now, _SHOWN_MAX, after or None)
    places = await list_places(context.database, [event.event_id for event in page.data])
    rows = [_row(event, places.get(event.event_id, Places())) for event in page.data]
    past = await catalogue.list_events_of_organizer(
        context.database, list_sale_summaries, organizer_id, None, now, 1
    )
    zone = page.data[0].time_zone if page.data else _UTC
    return render_desk(
        request,
        desk,
        "home.html",
        rows=rows,
        next_page=page.next_cursor,
        is_new=not past.data,
        needs=await _needs(request, organizer_id, page.data, now) if desk.manages else [],
        sold=await _sold(request, organizer_id, now, zone) if desk.manages and past.data else None,
    )


async def _choice(request: Request, form: Form, errors: list[FormError]) -> Response[str]:
    database = request.context.database
    page = await list_memberships(database, request.actor.id, _SHOWN_MAX, None)
    person = await accounts.people.get_person(database, request.actor.id)
    return render(
        request,
        "organize/choice.html",
        status=422 if errors else 200,
        form=form,
        errors=errors,
        desk=None,
        event=None,
        email=form.text("contact_email") or person.email,
        memberships=[(each, organizer_address(each.organizer.organizer_id)) for each in page.data],
    )


def _row(event: Event, places: Places) -> Row:
    whole = max(places.capacity, 1)
    return Row(
        event,
        event_address(event.event_id),
        places,
        100 * places.sold // whole,
        100 * places.held // whole,
    )


async def _needs(request: Request, organizer_id: UUID, ahead: list[Event], now: datetime) -> list[Need]:
    """Return what waits for a person: money that did not get back, conflicts at the door, late drafts."""
    needs = []
    for each in await checkout.count_failed_refunds(request.context.database, organizer_id):
        what = words.count(each.refunds, "refund")
        needs.append(
            Need(
                each.title,
                f"{what} did not reach the buyer.",
                "See the event",
                event_address(each.event_id),
            )
        )
    conflicts = await checkin.count_conflicts(
        request.context.database, [event.event_id for event in ahead if event.state == "published"]
    )
    for event in ahead:
        if found := conflicts.get(event.event_id):
            needs.append(
                Need(
                    event.title,
                    f"{words.count(found, 'conflict')} at the door: a ticket was used before.",
                    "See the door",
                    event_address(event.event_id, "door"),
                )
            )
        if event.state == "draft" and event.starts_at < now + _SOON:
            starts = words.moment(event.starts_at_local)
            needs.append(
                Need(
                    event.title,
                    f"It starts on {starts} and is still a draft: nobody can book it.",
                    "See the draft",
                    event_address(event.event_id),
                )
            )
    return needs


async def _sold(request: Request, organizer_id: UUID, now: datetime, zone: str) -> Sold:
    """Return what was sold today and yesterday, on the clocks of a zone."""
    slots, until = two_days_of(now, ZoneInfo(zone))
    found = await analytics.read_series(request.context.database, Scope(organizer_id=organizer_id), slots)
    before = found[0].amounts if slots[0].ends_at == until else []
    return Sold(_day(found[-1].amounts), _day(before), until.astimezone(ZoneInfo(zone)), zone)


def two_days_of(now: datetime, zone: ZoneInfo) -> tuple[list[Slot], datetime]:
    """Return yesterday until this time of day, the rest of it, and today so far; and the end of the first.

    Sums are kept by quarters of an hour, so the first ends with a whole one. In the first quarter after
    midnight it has no length, and is left out.
    """
    local = now.astimezone(zone)
    before = local - timedelta(days=1)  # the same time on the clock: a day may have 23 or 25 hours
    today, yesterday = _midnight(local), _midnight(before)
    until = quarter_of(before.astimezone(ZoneInfo(_UTC)))
    ends = [yesterday, until, today, now] if until > yesterday else [yesterday, today, now]
    slots = [Slot(start, end, start.astimezone(zone)) for start, end in itertools.pairwise(ends)]
    return slots, until


def _midnight(local: datetime) -> datetime:
    """Return the start of a local day, as an instant."""
    start = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return start.astimezone(ZoneInfo(_UTC))


def _day(amounts: list[CurrencyTotals]) -> Day:
    return Day(
        sum(each.sums.tickets - each.sums.cancelled_tickets for each in amounts),
        [Money(paid, each.currency) for each in amounts if (paid := _paid_minor(each.revenue)) > 0],
    )


def _paid_minor(revenue: Revenue) -> int:
    """Return what buyers paid and did not get back."""
    return revenue.gross_minor - revenue.struck_minor - revenue.refunded_minor


routes: Final = [choose_organizer, add_organizer, show_home]
