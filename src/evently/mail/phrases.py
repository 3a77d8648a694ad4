"""Phrases that letters share: dates, amounts, tickets, links. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from evently.catalogue import Event, slug_of, wall_time_of
from evently.kit.ids import show_id
from evently.kit.money import show_money
from evently.mail.letters import Link, isolated, plain
from evently.mail.reading import About, Story
from evently.sales.nouns import Booking, Ticket

TITLE_CHARACTERS_MAX: Final = 60  # in a subject: most readers show no more
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)
MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)


class Setting(msgspec.Struct, frozen=True):
    """What a letter needs besides its story.

    `files`: what is attached, in words. `unsubscribe`: the address that ends messages about this topic.
    """

    base_url: str
    now: datetime
    files: tuple[str, ...] = ()
    unsubscribe: str | None = None


def booking_of(story: Story) -> Booking:
    """Return the booking of a story that has one."""
    assert story.booking is not None, "the notification has a booking"
    return story.booking


def rows_of(about: About) -> tuple[tuple[str, str], ...]:
    """Return what, when and where."""
    event, venue = about.event, about.venue
    lines = [venue.name, *venue.address.splitlines()]
    if not any(venue.city in line for line in lines[1:]):
        lines.append(venue.city)
    return (
        ("Event", isolated(event.title)),
        ("When", f"{show_when(event)}\n(time in {isolated(event.city)})"),
        ("Where", "\n".join(isolated(line) for line in lines if plain(line))),
    )


def list_tickets(story: Story) -> str:
    """Return the tickets that are not void: those with seats one by one, the others counted."""
    kept = [
        ticket
        for ticket in booking_of(story).tickets
        if ticket.state != "void" and ticket.holder_id in (None, story.reader_id)
    ]
    seated = [_type(story, each) + f": {isolated(each.seat_label)}" for each in kept if each.seat_label]
    counted = Counter(_type(story, each) for each in kept if not each.seat_label)
    return "\n".join([*(f"{count} × {name}" for name, count in counted.items()), *seated]) or "none"


def _type(story: Story, ticket: Ticket) -> str:
    return isolated(story.about.type_names.get(ticket.ticket_type_id, "Ticket"))


def refund_words(story: Story) -> str:
    """Return what is paid back, in words."""
    booking = booking_of(story)
    if story.refund_minor:
        return f"{show_amount(story.refund_minor, booking)} will be paid back the way you paid."
    if booking.payment == "online" and booking.paid_minor:
        return "Nothing is paid back: the conditions of your booking say so."
    return "You had paid nothing to us, so nothing is paid back."


def attached_words(setting: Setting) -> tuple[str, ...]:
    """Return which files are attached, if any, in words."""
    if not setting.files:
        return ()
    return (
        f"{' and '.join(setting.files).capitalize()} {'are' if len(setting.files) > 1 else 'is'} attached.",
    )


def unnamed_words(story: Story) -> tuple[str, ...]:
    """Return that names are missing on tickets, and until when they can be given, in words."""
    if not story.unnamed:
        return ()
    count = "A ticket has" if story.unnamed == 1 else f"{story.unnamed} tickets have"
    until = show_moment(story.event.names_end_at, story.event)
    return (
        f"{count} no name yet, and the organizer asks who comes. Give it at the address below until {until}.",
    )


def link_to_booking(words: str, story: Story, setting: Setting) -> Link:
    """Return a link to the page of the booking."""
    return Link(words, setting.base_url + story.page)


def link_to_event(words: str, event: Event, setting: Setting) -> Link:
    """Return a link to the page of the event."""
    slug = slug_of(event.title)
    tail = f"/{slug}" if slug.isascii() and slug else ""
    return Link(words, f"{setting.base_url}/events/{show_id('evt', event.event_id)}{tail}")


def show_amount(amount_minor: int, booking: Booking) -> str:
    """Return an amount of a booking, with its currency."""
    return show_money(amount_minor, booking.currency)


def show_title(event: Event) -> str:
    """Return a title for a subject."""
    title = plain(event.title)
    if len(title) > TITLE_CHARACTERS_MAX:
        title = title[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"
    return isolated(title)


def show_short_day(event: Event) -> str:
    """Return the day of an event, without the year."""
    start = event.starts_at_local
    return f"{start.day} {MONTHS[start.month - 1]}"


def show_when(event: Event) -> str:
    """Return start and end: the day of the end only if it is another one."""
    start, end = event.starts_at_local, event.ends_at_local
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{show_moment(event.starts_at, event)} to {until}"


def show_moment(instant: datetime, event: Event) -> str:
    """Return an instant on the clocks at the venue: `Thursday, 20 May 2027, 20:00`."""
    zone = event.place.zone
    local = wall_time_of(instant, zone)
    return f"{_day(local)}, {local:%H:%M}{_offset(instant, zone)}"


def _offset(instant: datetime, zone: ZoneInfo) -> str:
    """Return the offset from UTC, only where the clocks show the hour twice."""
    here = instant.astimezone(zone)
    if here.replace(fold=0).utcoffset() == here.replace(fold=1).utcoffset():
        return ""
    text = f"{here:%z}"
    return f" (UTC{text[:3]}:{text[3:5]})"


def _day(local: datetime) -> str:
    return f"{DAYS[local.weekday()]}, {local.day} {MONTHS[local.month - 1]} {local.year}"


def show_time_left(story: Story, setting: Setting) -> str:
    """Return how long an offer can still be accepted."""
    expires_at = booking_of(story).expires_at
    assert expires_at is not None, "an offer is a hold"
    left = max(expires_at - setting.now, MINUTE)
    return (
        show_number(round(left / _HOUR), "hour")
        if left >= 2 * _HOUR
        else show_number(left // MINUTE, "minute")
    )


def show_number(count: int, noun: str) -> str:
    """Return a count with its noun, in singular or plural."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
