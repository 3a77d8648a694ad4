"""The words of every kind of message: from what it is about to a letter. Pure.

Plain sentences: what happened, what it means for the reader, what comes next. Amounts and dates are written
out; times are those of the clocks at the venue. Names that people typed pass `isolated`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from evently.accounts.people import link_to
from evently.catalogue import Event, slug_of, wall_time_of
from evently.kit.ids import reference_of, show_id
from evently.kit.money import show_money
from evently.mail.letters import Letter, Link, isolated, plain
from evently.mail.nouns import KINDS, AlreadyRegistered, Message, PasswordReset, SignInCode, TicketOffered
from evently.mail.reading import About, Story
from evently.notifications import Topic
from evently.sales.nouns import Booking, Ticket

TITLE_CHARACTERS_MAX: Final = 60  # in a subject: most readers show no more
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_TOPIC_WORDS: Final[Mapping[Topic, str]] = {
    "tickets": "your tickets",
    "changes": "changes of events that you have booked",
    "waitlist": "the waitlists that you have joined",
    "reminders": "reminders of events",
}


class Setting(msgspec.Struct, frozen=True):
    """What a letter needs besides its story.

    `files`: what is attached, in words. `unsubscribe`: the address that ends messages about this topic.
    """

    base_url: str
    now: datetime
    files: tuple[str, ...] = ()
    unsubscribe: str | None = None


def write_offered(message: Message, offered: TicketOffered, about: About, setting: Setting) -> Letter:
    """Write to the address to which a person passes a ticket on."""
    giver, until = isolated(offered.giver), _moment(message.expires_at, about.event)
    return Letter(
        subject=f"{giver} has a ticket for you: {_title(about.event)}",
        preview=f"{_when(about.event)}, {plain(about.event.venue_name)}",
        heading=f"{giver} has a ticket for you",
        paragraphs=("Accept it, and it is yours: you get a code of your own, and the old one ends.",),
        rows=(*_rows_of(about), ("Ticket", isolated(offered.ticket)), ("Accept until", until)),
        action=Link("Accept the ticket", setting.base_url + offered.path),
        notes=("If you do not want it, do nothing: the ticket stays where it is.",),
        why=f"You get this because {giver} entered {message.address} at {setting.base_url}.",
    )


def write_requested(
    message: Message, about: SignInCode | PasswordReset | AlreadyRegistered, setting: Setting
) -> Letter:
    """Write what a person has requested: a code and a link."""
    why = f"You get this because {message.address} was entered at {setting.base_url}."
    if isinstance(about, AlreadyRegistered):
        return Letter(
            subject="You have an account already",
            preview="Sign in with it; you need no second one.",
            heading="You have an account already",
            paragraphs=("This address was entered to make an account, but it has one. Sign in with it.",),
            action=Link("Sign in", setting.base_url + about.path),
            notes=("If it was not you, ignore this message: nothing was changed.",),
            why=why,
        )
    code = plain(about.code)
    minutes = max(1, round((message.expires_at - message.created_at) / _MINUTE))
    valid = f"They are valid for {_number(minutes, 'minute')}, and only once."
    ignore = "If it was not you, ignore this message: without the code, nothing happens."
    match about:
        case SignInCode(path=path):
            return Letter(
                subject=f"{code} is your code to sign in",
                preview=f"Enter it in the window in which you asked for it. {valid}",
                heading="Sign in",
                paragraphs=("Enter this code in the window in which you asked for it.",),
                code=code,
                action=Link("Sign in with this link", setting.base_url + path),
                notes=(f"The code and the link do the same. {valid}", ignore, _NEVER_ASK),
                why=why,
            )
        case PasswordReset(path=path):
            return Letter(
                subject=f"{code} is your code for a new password",
                preview=f"Enter it in the window in which you asked for it. {valid}",
                heading="Choose a new password",
                paragraphs=("Enter this code in the window in which you asked for it.",),
                code=code,
                action=Link("Choose a new password with this link", setting.base_url + path),
                notes=(f"The code and the link do the same. {valid}", ignore, _NEVER_ASK),
                why=why,
            )


def write_notified(kind: str, story: Story, setting: Setting) -> Letter:
    """Write the letter of a notification."""
    topic = KINDS[kind].topic
    assert topic is not None, "notifications have topics"
    letter = _WRITERS[kind](story, setting)
    unsubscribe = None
    if setting.unsubscribe is not None:
        unsubscribe = Link(f"No more e-mails about {_TOPIC_WORDS[topic]}", setting.unsubscribe)
    organizer = story.about.organizer
    contact = Link(
        f"Questions about the event: write to {isolated(organizer.name)}", link_to(organizer.contact_email)
    )
    return msgspec.structs.replace(
        letter,
        links=(*letter.links, contact),
        reply_to=Link(organizer.name, organizer.contact_email),
        unsubscribe=unsubscribe,
    )


_NEVER_ASK: Final = "Nobody from Evently ever asks you for this code."
_BOOKED: Final = "You get this because you have booked this event."
_PASSED_ON: Final = "You get this because you have offered a ticket of this event to another person."
_RECEIVED: Final = "You get this because you have accepted a ticket of this event."
_WAITED: Final = "You get this because you have joined the waitlist of this event."


def _booking_confirmed(story: Story, setting: Setting) -> Letter:
    booking = _booking(story)
    due = booking.total_minor()
    door = booking.payment == "door" and due > 0
    amount = ("To pay at the door" if door else "Paid", _amount(due, booking)) if due else ("Price", "Free")
    return Letter(
        subject=f"Your tickets: {_title(story.event)}, {_short_day(story.event)}",
        preview=f"{_when(story.event)}, {plain(story.event.venue_name)}",
        heading="Your booking is confirmed",
        paragraphs=_attached(setting) or ("You find your tickets at the address below.",),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            amount,
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=_to_booking("Show my tickets", story, setting),
        notes=(_SHOW_ONCE,),
        why=_BOOKED,
    )


def _payment_failed(story: Story, setting: Setting) -> Letter:
    booking = _booking(story)
    unpaid = booking.state == "cancelled"  # it had been confirmed
    sentence = (
        "Your bank did not pay after your booking was confirmed, so the booking is cancelled."
        if unpaid
        else "The payment was declined or came too late, so your seats went back on sale."
    )
    return Letter(
        subject=f"Not paid, not booked: {_title(story.event)}",
        preview="You have no tickets, and no money is kept.",
        heading="You have no tickets: the payment failed",
        paragraphs=(
            sentence,
            "No money is kept. What your bank has reserved is released; that can take some days.",
        ),
        rows=(*_rows_of(story.about), ("Booking", reference_of(booking.booking_id))),
        action=_to_event("Book again", story.event, setting),
        why="You get this because you have tried to book this event.",
    )


def _booking_cancelled(story: Story, setting: Setting) -> Letter:
    by_event = story.event.state == "cancelled"
    heading = "The event is cancelled" if by_event else "Your booking is cancelled"
    sentence = (
        "The organizer has cancelled the event, and your booking with it. Your tickets are void."
        if by_event
        else "All tickets of this booking are void."
    )
    return Letter(
        subject=f"{'Event cancelled' if by_event else 'Booking cancelled'}: {_title(story.event)}",
        preview=_refund_words(story),
        heading=heading,
        paragraphs=(sentence, _refund_words(story)),
        notes=("The attached entry marks it as cancelled in your calendar.",) if setting.files else (),
        rows=(*_rows_of(story.about), ("Booking", reference_of(_booking(story).booking_id))),
        action=_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _tickets_cancelled(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Tickets cancelled: {_title(story.event)}",
        preview=_refund_words(story),
        heading="Some of your tickets are cancelled",
        paragraphs=("The tickets that are not listed below are void.", _refund_words(story)),
        rows=(
            *_rows_of(story.about),
            ("You still have", _tickets(story)),
            ("Booking", reference_of(_booking(story).booking_id)),
        ),
        action=_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _return_taken(story: Story, setting: Setting) -> Letter:
    left = [ticket for ticket in _booking(story).tickets if ticket.state == "valid"]
    return Letter(
        subject=f"Your returned ticket was taken: {_title(story.event)}",
        preview=_refund_words(story),
        heading="Another person has taken your ticket",
        paragraphs=(
            "You returned it to the waitlist, and it was sold again. It is void now.",
            _refund_words(story),
        ),
        rows=(
            *_rows_of(story.about),
            *([("You still have", _tickets(story))] if left else []),
            ("Booking", reference_of(_booking(story).booking_id)),
        ),
        action=_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _refund_paid(story: Story, setting: Setting) -> Letter:
    booking = _booking(story)
    amount = _amount(story.refund_minor or 0, booking)
    return Letter(
        subject=f"Refund of {amount}: {_title(story.event)}",
        preview="Your bank shows it within some days.",
        heading=f"We have paid back {amount}",
        paragraphs=("It goes to the card or account that paid. Your bank shows it within some days.",),
        rows=(
            ("Event", isolated(story.event.title)),
            ("Refund", amount),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _event_rescheduled(story: Story, setting: Setting) -> Letter:
    before = story.about.rescheduling
    moved = before is not None and before.starts_before != before.starts_at
    placed = before is not None and before.place_changed
    what = "time and place" if moved and placed else "place" if placed else "time"
    was = [] if before is None or not moved else [("Before", _moment(before.starts_before, story.event))]
    return Letter(
        subject=f"New {what}: {_title(story.event)}",
        preview=f"Now {_when(story.event)}, {plain(story.event.venue_name)}",
        heading=f"The event has a new {what}",
        paragraphs=(
            "Your tickets stay valid. If you cannot come, you can see what a cancellation pays back.",
            *_attached(setting),
        ),
        rows=(*_rows_of(story.about), *was, ("Booking", reference_of(_booking(story).booking_id))),
        action=_to_booking("Show my booking", story, setting),
        why=_BOOKED,
    )


def _offer_made(story: Story, setting: Setting) -> Letter:
    return _offer(
        story,
        setting,
        subject="Tickets for you",
        heading="There are tickets for you",
        sentence="Tickets are available, and you are next on the waitlist. They are held for you alone.",
    )


def _offer_ending(story: Story, setting: Setting) -> Letter:
    return _offer(
        story,
        setting,
        subject=f"{_left(story, setting)} left",
        heading="Your offer ends soon",
        sentence="The tickets are still held for you. Then they go to the next person on the waitlist.",
    )


def _offer(story: Story, setting: Setting, *, subject: str, heading: str, sentence: str) -> Letter:
    booking = _booking(story)
    assert booking.expires_at is not None, "an offer is a hold"
    until = _moment(booking.expires_at, story.event)
    return Letter(
        subject=f"{subject}: {_title(story.event)}",
        preview=f"Held for you until {until}",
        heading=heading,
        paragraphs=(sentence,),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            ("Price", _amount(booking.total_minor(), booking)),
            ("Held until", f"{until} ({_left(story, setting)} left)"),
        ),
        action=Link("Take the tickets", f"{setting.base_url}/me/waitlist"),
        notes=(
            "If you do not want them, pass them on at the same address: the next person gets them at once.",
        ),
        why=_WAITED,
    )


def _offer_lapsed(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Your offer has ended: {_title(story.event)}",
        preview="The tickets are no longer held for you.",
        heading="Your offer has ended",
        paragraphs=(
            "You did not take the tickets in time, or who had returned one came with it after all.",
            "You can join the waitlist again.",
        ),
        rows=_rows_of(story.about),
        action=_to_event("Show the event", story.event, setting),
        why=_WAITED,
    )


def _entry_withdrawn(story: Story, setting: Setting) -> Letter:
    cancelled = story.event.state == "cancelled"
    return Letter(
        subject=f"You are no longer on the waitlist: {_title(story.event)}",
        preview="The event is cancelled."
        if cancelled
        else "You have as many tickets as one person may have.",
        heading="You are no longer on the waitlist",
        paragraphs=(
            "The organizer has cancelled the event."
            if cancelled
            else "You have as many tickets of this event as one person may have.",
        ),
        rows=_rows_of(story.about),
        action=_to_event("Show the event", story.event, setting),
        why=_WAITED,
    )


def _event_reminder(story: Story, setting: Setting) -> Letter:
    zone = story.event.place.zone
    days = (story.event.starts_at_local.date() - wall_time_of(setting.now, zone).date()).days
    day = (
        "today"
        if days <= 0
        else "tomorrow"
        if days == 1
        else f"on {_DAYS[story.event.starts_at_local.weekday()]}"
    )
    booking = _booking(story)
    return Letter(
        subject=f"{day.capitalize()}: {_title(story.event)}",
        preview=f"{_when(story.event)}, {plain(story.event.venue_name)}",
        heading=f"See you {day}",
        paragraphs=(
            *(_attached(setting) or ("You find your tickets at the address below.",)),
            *_unnamed_words(story),
        ),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            *(
                [("To pay at the door", _amount(booking.total_minor(), booking))]
                if booking.payment == "door" and booking.total_minor()
                else []
            ),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=_to_booking("Show my tickets", story, setting),
        why=_BOOKED,
    )


def _transfer_accepted(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Your ticket was taken: {_title(story.event)}",
        preview="It has another code now, and yours is void.",
        heading="The ticket that you passed on was accepted",
        paragraphs=(
            "It belongs to the person to whom you offered it. Its old code is void: do not use it any more.",
            "If money is paid back for it, that goes to the person who has booked it.",
        ),
        rows=_rows_of(story.about),
        action=Link("Show my tickets", f"{setting.base_url}/me/tickets"),
        why=_PASSED_ON,
    )


def _transfer_declined(story: Story, setting: Setting) -> Letter:
    return _still_yours(
        story, setting, "declined", "The person to whom you offered the ticket does not want it."
    )


def _transfer_expired(story: Story, setting: Setting) -> Letter:
    return _still_yours(story, setting, "not taken in time", "Nobody accepted the ticket that you offered.")


def _still_yours(story: Story, setting: Setting, what: str, sentence: str) -> Letter:
    return Letter(
        subject=f"Your ticket was {what}: {_title(story.event)}",
        preview="It is still yours, with the same code.",
        heading=f"The ticket that you offered was {what}",
        paragraphs=(f"{sentence} It is still yours, with the same code.",),
        rows=_rows_of(story.about),
        action=_to_booking("Show my tickets", story, setting),
        why=_PASSED_ON,
    )


def _ticket_received(story: Story, setting: Setting) -> Letter:
    booking = _booking(story)
    door = booking.payment == "door" and booking.payment_id is None and booking.total_minor() > 0
    return Letter(
        subject=f"Your ticket: {_title(story.event)}, {_short_day(story.event)}",
        preview=f"{_when(story.event)}, {plain(story.event.venue_name)}",
        heading="The ticket is yours",
        paragraphs=_attached(setting) or ("You find your ticket at the address below.",),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            *([("To pay at the door", _amount(booking.total_minor(), booking))] if door else []),
        ),
        action=_to_booking("Show my ticket", story, setting),
        notes=(
            "Show it once at the entrance, on paper or on a screen, and to nobody else before.",
            "You cannot cancel it: if you cannot come, pass it on, or give it back at the same address.",
        ),
        why=_RECEIVED,
    )


def _ticket_given_back(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"A ticket is yours again: {_title(story.event)}",
        preview="The person to whom it was passed on has given it back.",
        heading="A ticket is yours again",
        paragraphs=(
            "The person who held it has given it back. It has a new code; you can use, pass on or cancel it.",
        ),
        rows=(*_rows_of(story.about), ("Booking", reference_of(_booking(story).booking_id))),
        action=_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _ticket_lost(story: Story, setting: Setting) -> Letter:
    cancelled = story.event.state == "cancelled"
    return Letter(
        subject=f"{'Event cancelled' if cancelled else 'Ticket cancelled'}: {_title(story.event)}",
        preview="Your ticket is void.",
        heading="The event is cancelled" if cancelled else "Your ticket is cancelled",
        paragraphs=(
            "The organizer has cancelled the event. Your ticket is void."
            if cancelled
            else "The organizer has cancelled the ticket that was passed on to you. It is void.",
            "What is paid back goes to the person who has booked it.",
        ),
        rows=_rows_of(story.about),
        action=_to_event("Show the event", story.event, setting),
        why=_RECEIVED,
    )


def _seats_changed(story: Story, setting: Setting) -> Letter:
    received = story.reader_id not in (None, _booking(story).buyer_id)
    return Letter(
        subject=f"New seats: {_title(story.event)}, {_short_day(story.event)}",
        preview="Your earlier tickets are void: use the new ones.",
        heading="You have new seats",
        paragraphs=(
            "The organizer has given you other seats. Your earlier tickets are void, and admit nobody.",
            *_attached(setting),
        ),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            ("Booking", reference_of(_booking(story).booking_id)),
        ),
        action=_to_booking("Show my tickets", story, setting),
        notes=(_SHOW_ONCE,),
        why=_RECEIVED if received else _BOOKED,
    )


def _tickets_resent(story: Story, setting: Setting) -> Letter:
    booking = _booking(story)
    return Letter(
        subject=f"Your tickets again: {_title(story.event)}, {_short_day(story.event)}",
        preview=f"{_when(story.event)}, {plain(story.event.venue_name)}",
        heading="Your tickets, once more",
        paragraphs=(
            "The organizer sends you your tickets again. They are the same as before.",
            *_attached(setting),
        ),
        rows=(
            *_rows_of(story.about),
            ("Tickets", _tickets(story)),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=_to_booking("Show my tickets", story, setting),
        notes=(_SHOW_ONCE,),
        why=_BOOKED,
    )


_SHOW_ONCE: Final = (
    "Show each ticket once at the entrance, on paper or on a screen, and to nobody else before."
)
_WRITERS: Final[Mapping[str, Callable[[Story, Setting], Letter]]] = {
    "booking_confirmed": _booking_confirmed,
    "payment_failed": _payment_failed,
    "booking_cancelled": _booking_cancelled,
    "tickets_cancelled": _tickets_cancelled,
    "return_taken": _return_taken,
    "refund_paid": _refund_paid,
    "transfer_accepted": _transfer_accepted,
    "transfer_declined": _transfer_declined,
    "transfer_expired": _transfer_expired,
    "ticket_received": _ticket_received,
    "ticket_given_back": _ticket_given_back,
    "ticket_lost": _ticket_lost,
    "seats_changed": _seats_changed,
    "tickets_resent": _tickets_resent,
    "event_rescheduled": _event_rescheduled,
    "offer_made": _offer_made,
    "offer_ending": _offer_ending,
    "offer_lapsed": _offer_lapsed,
    "entry_withdrawn": _entry_withdrawn,
    "event_reminder": _event_reminder,
}

# Pieces -----------------------------------------------------------------------------------------------------


def _booking(story: Story) -> Booking:
    assert story.booking is not None, "the notification has a booking"
    return story.booking


def _rows_of(about: About) -> tuple[tuple[str, str], ...]:
    event, venue = about.event, about.venue
    lines = [venue.name, *venue.address.splitlines()]
    if not any(venue.city in line for line in lines[1:]):
        lines.append(venue.city)
    return (
        ("Event", isolated(event.title)),
        ("When", f"{_when(event)}\n(time in {isolated(event.city)})"),
        ("Where", "\n".join(isolated(line) for line in lines if plain(line))),
    )


def _tickets(story: Story) -> str:
    """Return the tickets that are not void: those with seats one by one, the others counted."""
    kept = [
        ticket
        for ticket in _booking(story).tickets
        if ticket.state != "void" and ticket.holder_id in (None, story.reader_id)
    ]
    seated = [_type(story, each) + f": {isolated(each.seat_label)}" for each in kept if each.seat_label]
    counted = Counter(_type(story, each) for each in kept if not each.seat_label)
    return "\n".join([*(f"{count} × {name}" for name, count in counted.items()), *seated]) or "none"


def _type(story: Story, ticket: Ticket) -> str:
    return isolated(story.about.type_names.get(ticket.ticket_type_id, "Ticket"))


def _refund_words(story: Story) -> str:
    booking = _booking(story)
    if story.refund_minor:
        return f"{_amount(story.refund_minor, booking)} will be paid back the way you paid."
    if booking.payment == "online" and booking.paid_minor:
        return "Nothing is paid back: the conditions of your booking say so."
    return "You had paid nothing to us, so nothing is paid back."


def _attached(setting: Setting) -> tuple[str, ...]:
    if not setting.files:
        return ()
    return (
        f"{' and '.join(setting.files).capitalize()} {'are' if len(setting.files) > 1 else 'is'} attached.",
    )


def _unnamed_words(story: Story) -> tuple[str, ...]:
    """Return that names are missing on tickets, and until when they can be given."""
    if not story.unnamed:
        return ()
    count = "A ticket has" if story.unnamed == 1 else f"{story.unnamed} tickets have"
    until = _moment(story.event.names_end_at, story.event)
    return (
        f"{count} no name yet, and the organizer asks who comes. Give it at the address below until {until}.",
    )


def _to_booking(words: str, story: Story, setting: Setting) -> Link:
    return Link(words, setting.base_url + story.page)


def _to_event(words: str, event: Event, setting: Setting) -> Link:
    slug = slug_of(event.title)
    tail = f"/{slug}" if slug.isascii() and slug else ""
    return Link(words, f"{setting.base_url}/events/{show_id('evt', event.event_id)}{tail}")


def _amount(amount_minor: int, booking: Booking) -> str:
    return show_money(amount_minor, booking.currency)


def _title(event: Event) -> str:
    """Return a title for a subject."""
    title = plain(event.title)
    if len(title) > TITLE_CHARACTERS_MAX:
        title = title[: TITLE_CHARACTERS_MAX - 1].rstrip() + "…"
    return isolated(title)


def _short_day(event: Event) -> str:
    start = event.starts_at_local
    return f"{start.day} {_MONTHS[start.month - 1]}"


def _when(event: Event) -> str:
    """Return start and end: the day of the end only if it is another one."""
    start, end = event.starts_at_local, event.ends_at_local
    until = f"{end:%H:%M}" if end.date() == start.date() else f"{_day(end)}, {end:%H:%M}"
    return f"{_moment(event.starts_at, event)} to {until}"


def _moment(instant: datetime, event: Event) -> str:
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
    return f"{_DAYS[local.weekday()]}, {local.day} {_MONTHS[local.month - 1]} {local.year}"


def _left(story: Story, setting: Setting) -> str:
    expires_at = _booking(story).expires_at
    assert expires_at is not None, "an offer is a hold"
    left = max(expires_at - setting.now, _MINUTE)
    return _number(round(left / _HOUR), "hour") if left >= 2 * _HOUR else _number(left // _MINUTE, "minute")


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
