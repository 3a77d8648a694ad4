"""The evening of an on-sale: how much, how fast, until when, and what needs a person; live.

The page says what is true at the moment; `/evening` is the stream that keeps it so, with the words of each
figure, so that the words are written here alone and a script only puts them into their places.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from itertools import accumulate
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import markupsafe
import msgspec

from evently import checkin, checkout
from evently.analytics import Evening, Forecast
from evently.kit.ids import EventId
from evently.kit.money import Money
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath
from evently.web.evening import EveningState, EveningView, open_evening_stream, show_evening
from evently.web.pages import words
from evently.web.pages.organize.desk import FIGURES, Desk
from evently.web.pages.rendering import show
from evently.web.services import Request, Services

_CURVE: Final = (640, 200)  # of the drawing that stands there without script
_POINTS_MAX: Final = 240
_ROWS: Final = 15  # minutes in the table beside the curve
_QUEUE_FEW: Final = 200  # commands that a lane carries out in a few batches
_BEHIND_FEW: Final = 500  # journal rows that the relay counts in one run or two
_DAY: Final = timedelta(days=1)
_CANNOT: Final = {
    "not_on_sale": "It is not on sale.",
    "too_few": "Too few tickets were sold to say anything.",
    "too_short": "The sale is too young to say anything.",
    "": "",
}


class EveningOnPage(msgspec.Struct, frozen=True, tag="evening", tag_field="type"):
    """An evening as the page shows it. `texts`: by the place in the page; `needs`: what needs a person."""

    seq: int
    counted_seq: int
    at: datetime
    state: EveningState
    texts: dict[str, str]
    needs: list[str]
    sold_percent: float
    held_percent: float
    tickets: int
    minutes: list[tuple[datetime, int]]


class Curve(NamedTuple):
    """What was sold, as a drawing and as a table: the last minutes with sales, newest first."""

    line: str
    width: int
    height: int
    rows: list[tuple[datetime, int]]


class EveningPanel(NamedTuple):
    """What the page of an event shows of its sale, for those who may see money."""

    now: EveningOnPage
    curve: Curve | None
    refunds_failed: int
    conflicts: int
    stream: str


@show("/organize/events/{event_id}/evening", **policy(FIGURES))
async def follow_evening(request: Request, event_id: FromPath[EventId]) -> Response[bytes]:
    """Return the stream of the page."""
    return await open_evening_stream(request, event_id, show_on_page)


async def read_panel(request: Request, desk: Desk) -> EveningPanel:
    """Return the evening of the event of a page."""
    assert desk.event is not None, "a page of an event"
    event_id, database = desk.event.event_id, request.context.database
    evening = await request.context.evenings.get(event_id)
    failed = await checkout.count_failed_refunds(database, desk.organizer.organizer_id)
    now = show_on_page(evening, request.context)
    return EveningPanel(
        now,
        _curve(evening, desk.zone),
        sum(each.refunds for each in failed if each.event_id == event_id),
        (await checkin.count_conflicts(database, [event_id])).get(event_id, 0),
        f"{request.scope['path'].rstrip('/')}/evening",
    )


def show_on_page(evening: Evening, context: Services) -> EveningOnPage:
    """Return an evening in the words of the page."""
    view, zone = show_evening(evening, context), ZoneInfo(evening.time_zone)
    whole = max(view.capacity, 1)
    return EveningOnPage(
        seq=view.seq,
        counted_seq=view.counted_seq,
        at=view.at,
        state=view.state,
        texts=_texts(view, evening.forecast, zone),
        needs=_needs(view),
        sold_percent=round(100 * view.sold / whole, 2),
        held_percent=round(100 * (view.sold + view.held) / whole, 2),
        tickets=view.tickets,
        minutes=view.minutes,
    )


def data_of(evening: EveningOnPage) -> markupsafe.Markup:
    """Return what the script draws first, as JSON inside HTML: numbers and instants."""
    known = {"at": evening.at, "tickets": evening.tickets, "minutes": evening.minutes}
    return markupsafe.Markup(msgspec.json.encode(known).decode())  # noqa: S704  # no text of a person


def _texts(view: EveningView, forecast: Forecast, zone: ZoneInfo) -> dict[str, str]:
    ended = view.holds.placed - view.holds.held
    money = partial(Money, currency=view.currency)
    when, how_sure = _outlook(view, forecast, zone)
    return {
        "sold": f"{view.sold:,}",
        "sold-of": f"of {view.capacity:,} sold",
        "left": f"{view.left:,}",
        "left-note": _left(view),
        "pace": f"{view.pace.five_minutes:,}",
        "pace-note": f"in the last five minutes, {view.pace.quarter:,} in fifteen",
        "until": when,
        "until-note": how_sure,
        "today": f"{view.today:,}",
        "money": words.sum_of(money(view.net_minor)),
        "money-note": f"yours, of {words.sum_of(money(view.gross_minor))}",
        "paid": "–" if view.holds.rate is None else f"{view.holds.rate:.0%}",
        "paid-note": f"of {words.count(ended, 'hold')} that ended; {view.holds.held:,} not paid yet"
        if ended
        else f"no hold has ended yet; {view.holds.held:,} not paid yet",
        "waiting": f"{view.waitlist.waiting:,}",
        "waiting-note": _waiting(view.waitlist.waiting, view.waitlist.fulfilled),
        "at": f"{view.at.astimezone(zone):%H:%M:%S}",
        "engine": _engine(view),
    }


def _left(view: EveningView) -> str:
    """Return the note to the number of tickets that are left: which of the places are not among them."""
    held = f"{view.held:,} of them held, not paid yet" if view.held else "none of them held"
    blocked = view.capacity - view.sold - view.left
    return f"{held}; {words.count(blocked, 'place')} not for sale" if blocked > 0 else held


def _waiting(waiting: int, fulfilled: int) -> str:
    """Return the note to the number of waitlist entries."""
    wait = "waits for tickets" if waiting == 1 else "wait for tickets"
    return f"{wait}; {fulfilled:,} got some" if fulfilled else wait


def _engine(view: EveningView) -> str:
    """Return in a sentence how the server is doing."""
    queue = (
        "The server keeps up: no request waits."
        if view.engine.queued == 0
        else f"{words.count(view.engine.queued, 'request')} waiting for a turn."
    )
    if view.engine.failures == 0:
        return queue
    return f"{queue} {words.count(view.engine.failures, 'server error')} in a quarter of an hour."


def _needs(view: EveningView) -> list[str]:
    """Return what a person should look at, in sentences."""
    needs = []
    if view.engine.queued > _QUEUE_FEW:
        needs.append(
            f"{view.engine.queued:,} requests wait for a turn: buyers get their answers late, and nothing is "
            "lost."
        )
    if view.engine.failures:
        needs.append(
            f"This server answered {words.count(view.engine.failures, 'request')} with an error in the last "
            "quarter of an hour. Ask the one who runs it."
        )
    if view.engine.journal_rows_behind > _BEHIND_FEW:
        needs.append(
            f"Pace, money and holds are {view.engine.journal_rows_behind:,} batches behind; what is sold and "
            "left is not."
        )
    if view.state == "sold_out" and view.set_aside:
        needs.append(
            f"{words.count(view.set_aside, 'ticket')} kept for the waitlist: too few for the next who wait."
        )
    return needs


# The forecast -----------------------------------------------------------------------------------------------


def _outlook(view: EveningView, forecast: Forecast, zone: ZoneInfo) -> tuple[str, str]:
    """Return when it will be sold out, as a range, and how sure that is."""
    now = view.at
    if view.state == "cancelled":
        return "Cancelled", "Nothing is sold any more."
    if view.state in ("ended", "past"):
        return "Over", f"The sale ended {_moment(view.off_sale_at, now, zone)}."
    if view.state == "not_yet_on_sale":
        return "Not yet", f"The sale begins {_moment(view.on_sale_at, now, zone)}."
    if view.state == "draft":
        return "Draft", "Nobody can book yet."
    if forecast.outlook == "sold_out":
        return "Sold out", "Every ticket is sold."
    if view.available == 0:
        return "All taken", f"{view.held + view.set_aside:,} are held; they come back if nobody pays."
    if forecast.outlook == "cannot_say":
        return "Too early to say", _CANNOT[forecast.reason]
    if forecast.outlook == "unlikely":
        return "Not sold out", "In nine of ten cases at this pace, tickets are left when the sale ends."
    assert forecast.earliest_at is not None, "a range has a beginning"
    step = _step(forecast.latest_at or view.off_sale_at, now)
    earliest = _rounded(forecast.earliest_at, step, zone)
    if forecast.latest_at is None:
        chance = round((forecast.chance or 0) * 10)
        return (
            f"{_short(earliest, now, step, zone)} or later",
            f"If at all: in {chance} of 10 cases before the sale ends.",
        )
    latest = _rounded(forecast.latest_at, step, zone)
    if step < _DAY and latest < forecast.latest_at:
        latest += step  # the range must not become narrower
    if latest <= earliest:
        latest = earliest + step
    return (
        f"{_short(earliest, now, step, zone)} to {_short(latest, now, step, zone)}",
        "Sold out in this range in four of five cases.",
    )


def _step(until: datetime, now: datetime) -> timedelta:
    """Return how precisely a time is said: no more precisely than it is known."""
    ahead = until - now
    if ahead < timedelta(hours=2):
        return timedelta(minutes=1)
    return timedelta(minutes=15) if ahead < 2 * _DAY else _DAY


def _rounded(at: datetime, step: timedelta, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + step * ((local - midnight) // step)


def _short(local: datetime, now: datetime, step: timedelta, zone: ZoneInfo) -> str:
    if step >= _DAY:
        return f"{local.day} {local:%b}"
    same = local.date() == now.astimezone(zone).date()
    return words.clock(local) if same else f"{local:%a} {words.clock(local)}"


def _moment(at: datetime, now: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"at {words.clock(local)}"
    return f"on {words.moment(local)}"


# The curve --------------------------------------------------------------------------------------------------


def _curve(evening: Evening, zone: ZoneInfo) -> Curve | None:
    """Return what was sold in the last days with sales, as a line, or None without sales."""
    if not evening.minutes:
        return None
    width, height = _CURVE
    before = evening.sums.tickets - sum(tickets for _, tickets in evening.minutes)
    totals = list(accumulate((tickets for _, tickets in evening.minutes), initial=before))
    times = [evening.minutes[0][0], *[at + timedelta(minutes=1) for at, _ in evening.minutes]]
    every = max(1, len(times) // _POINTS_MAX)
    chosen = [*range(0, len(times) - 1, every), len(times) - 1]
    length = max((times[-1] - times[0]).total_seconds(), 60.0)
    most = max(evening.places.capacity, totals[-1], 1)
    points = [
        (
            width * (times[number] - times[0]).total_seconds() / length,
            height - height * totals[number] / most,
        )
        for number in chosen
    ]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    rows = [(at.astimezone(zone), tickets) for at, tickets in reversed(evening.minutes[-_ROWS:])]
    return Curve(line, width, height, rows)


routes: Final = [follow_evening]
