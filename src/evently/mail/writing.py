"""The words of every kind of message: from what it is about to a letter. Pure.

Plain sentences: what happened, what it means for the reader, what comes next. Amounts and dates are written
out; times are those of the clocks at the venue. Names that people typed pass `isolated`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from evently.accounts.people import link_to
from evently.catalogue import wall_time_of
from evently.kit.ids import reference_of
from evently.mail.letters import Letter, Link, isolated, plain
from evently.mail.nouns import KINDS, AlreadyRegistered, Message, PasswordReset, SignInCode, TicketOffered
from evently.mail.phrases import (
    DAYS,
    MINUTE,
    Setting,
    attached_words,
    booking_of,
    link_to_booking,
    link_to_event,
    list_tickets,
    refund_words,
    rows_of,
    show_amount,
    show_moment,
    show_number,
    show_short_day,
    show_time_left,
    show_title,
    show_when,
    unnamed_words,
)
from evently.mail.reading import About, Story
from evently.notifications import Topic

_TOPIC_WORDS: Final[Mapping[Topic, str]] = {
    "tickets": "your tickets",
    "changes": "changes of events that you have booked",
    "waitlist": "the waitlists that you have joined",
    "reminders": "reminders of events",
}


def write_offered(message: Message, offered: TicketOffered, about: About, setting: Setting) -> Letter:
    """Write to the address to which a person passes a ticket on."""
    giver, until = isolated(offered.giver), show_moment(message.expires_at, about.event)
    return Letter(
        subject=f"{giver} has a ticket for you: {show_title(about.event)}",
        preview=f"{show_when(about.event)}, {plain(about.event.venue_name)}",
        heading=f"{giver} has a ticket for you",
        paragraphs=("Accept it, and it is yours: you get a code of your own, and the old one ends.",),
        rows=(*rows_of(about), ("Ticket", isolated(offered.ticket)), ("Accept until", until)),
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
    minutes = max(1, round((message.expires_at - message.created_at) / MINUTE))
    valid = f"They are valid for {show_number(minutes, 'minute')}, and only once."
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
    booking = booking_of(story)
    due = booking.total_minor()
    door = booking.payment == "door" and due > 0
    amount = (
        ("To pay at the door" if door else "Paid", show_amount(due, booking)) if due else ("Price", "Free")
    )
    return Letter(
        subject=f"Your tickets: {show_title(story.event)}, {show_short_day(story.event)}",
        preview=f"{show_when(story.event)}, {plain(story.event.venue_name)}",
        heading="Your booking is confirmed",
        paragraphs=attached_words(setting) or ("You find your tickets at the address below.",),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            amount,
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=link_to_booking("Show my tickets", story, setting),
        notes=(_SHOW_ONCE,),
        why=_BOOKED,
    )


def _payment_failed(story: Story, setting: Setting) -> Letter:
    booking = booking_of(story)
    unpaid = booking.state == "cancelled"  # it had been confirmed
    sentence = (
        "Your bank did not pay after your booking was confirmed, so the booking is cancelled."
        if unpaid
        else "The payment was declined or came too late, so your seats went back on sale."
    )
    return Letter(
        subject=f"Not paid, not booked: {show_title(story.event)}",
        preview="You have no tickets, and no money is kept.",
        heading="You have no tickets: the payment failed",
        paragraphs=(
            sentence,
            "No money is kept. What your bank has reserved is released; that can take some days.",
        ),
        rows=(*rows_of(story.about), ("Booking", reference_of(booking.booking_id))),
        action=link_to_event("Book again", story.event, setting),
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
        subject=f"{'Event cancelled' if by_event else 'Booking cancelled'}: {show_title(story.event)}",
        preview=refund_words(story),
        heading=heading,
        paragraphs=(sentence, *_reason_words(story), refund_words(story)),
        notes=("The attached entry marks it as cancelled in your calendar.",) if setting.files else (),
        rows=(*rows_of(story.about), ("Booking", reference_of(booking_of(story).booking_id))),
        action=link_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _reason_words(story: Story) -> tuple[str, ...]:
    """Return what the organizer says about a cancellation, if anything."""
    return (f"The organizer writes: “{isolated(story.reason)}”",) if story.reason else ()


def _tickets_cancelled(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Tickets cancelled: {show_title(story.event)}",
        preview=refund_words(story),
        heading="Some of your tickets are cancelled",
        paragraphs=(
            "The tickets that are not listed below are void.",
            *_reason_words(story),
            refund_words(story),
        ),
        rows=(
            *rows_of(story.about),
            ("You still have", list_tickets(story)),
            ("Booking", reference_of(booking_of(story).booking_id)),
        ),
        action=link_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _return_taken(story: Story, setting: Setting) -> Letter:
    left = [ticket for ticket in booking_of(story).tickets if ticket.state == "valid"]
    return Letter(
        subject=f"Your returned ticket was taken: {show_title(story.event)}",
        preview=refund_words(story),
        heading="Another person has taken your ticket",
        paragraphs=(
            "You returned it to the waitlist, and it was sold again. It is void now.",
            refund_words(story),
        ),
        rows=(
            *rows_of(story.about),
            *([("You still have", list_tickets(story))] if left else []),
            ("Booking", reference_of(booking_of(story).booking_id)),
        ),
        action=link_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _refund_paid(story: Story, setting: Setting) -> Letter:
    booking = booking_of(story)
    amount = show_amount(story.refund_minor or 0, booking)
    return Letter(
        subject=f"Refund of {amount}: {show_title(story.event)}",
        preview="Your bank shows it within some days.",
        heading=f"We have paid back {amount}",
        paragraphs=("It goes to the card or account that paid. Your bank shows it within some days.",),
        rows=(
            ("Event", isolated(story.event.title)),
            ("Refund", amount),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=link_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _event_rescheduled(story: Story, setting: Setting) -> Letter:
    before = story.about.rescheduling
    moved = before is not None and before.starts_before != before.starts_at
    placed = before is not None and before.place_changed
    what = "time and place" if moved and placed else "place" if placed else "time"
    was = [] if before is None or not moved else [("Before", show_moment(before.starts_before, story.event))]
    return Letter(
        subject=f"New {what}: {show_title(story.event)}",
        preview=f"Now {show_when(story.event)}, {plain(story.event.venue_name)}",
        heading=f"The event has a new {what}",
        paragraphs=(
            "Your tickets stay valid. If you cannot come, you can see what a cancellation pays back.",
            *attached_words(setting),
        ),
        rows=(*rows_of(story.about), *was, ("Booking", reference_of(booking_of(story).booking_id))),
        action=link_to_booking("Show my booking", story, setting),
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
        subject=f"{show_time_left(story, setting)} left",
        heading="Your offer ends soon",
        sentence="The tickets are still held for you. Then they go to the next person on the waitlist.",
    )


def _offer(story: Story, setting: Setting, *, subject: str, heading: str, sentence: str) -> Letter:
    booking = booking_of(story)
    assert booking.expires_at is not None, "an offer is a hold"
    until = show_moment(booking.expires_at, story.event)
    return Letter(
        subject=f"{subject}: {show_title(story.event)}",
        preview=f"Held for you until {until}",
        heading=heading,
        paragraphs=(sentence,),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            ("Price", show_amount(booking.total_minor(), booking)),
            ("Held until", f"{until} ({show_time_left(story, setting)} left)"),
        ),
        action=Link("Take the tickets", f"{setting.base_url}/me/waitlist"),
        notes=(
            "If you do not want them, pass them on at the same address: the next person gets them at once.",
        ),
        why=_WAITED,
    )


def _offer_lapsed(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Your offer has ended: {show_title(story.event)}",
        preview="The tickets are no longer held for you.",
        heading="Your offer has ended",
        paragraphs=(
            "You did not take the tickets in time, or who had returned one came with it after all.",
            "You can join the waitlist again.",
        ),
        rows=rows_of(story.about),
        action=link_to_event("Show the event", story.event, setting),
        why=_WAITED,
    )


def _entry_withdrawn(story: Story, setting: Setting) -> Letter:
    cancelled = story.event.state == "cancelled"
    return Letter(
        subject=f"You are no longer on the waitlist: {show_title(story.event)}",
        preview="The event is cancelled."
        if cancelled
        else "You have as many tickets as one person may have.",
        heading="You are no longer on the waitlist",
        paragraphs=(
            "The organizer has cancelled the event."
            if cancelled
            else "You have as many tickets of this event as one person may have.",
            *(_reason_words(story) if cancelled else ()),
        ),
        rows=rows_of(story.about),
        action=link_to_event("Show the event", story.event, setting),
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
        else f"on {DAYS[story.event.starts_at_local.weekday()]}"
    )
    booking = booking_of(story)
    return Letter(
        subject=f"{day.capitalize()}: {show_title(story.event)}",
        preview=f"{show_when(story.event)}, {plain(story.event.venue_name)}",
        heading=f"See you {day}",
        paragraphs=(
            *(attached_words(setting) or ("You find your tickets at the address below.",)),
            *unnamed_words(story),
        ),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            *(
                [("To pay at the door", show_amount(booking.total_minor(), booking))]
                if booking.payment == "door" and booking.total_minor()
                else []
            ),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=link_to_booking("Show my tickets", story, setting),
        why=_BOOKED,
    )


def _transfer_accepted(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"Your ticket was taken: {show_title(story.event)}",
        preview="It has another code now, and yours is void.",
        heading="The ticket that you passed on was accepted",
        paragraphs=(
            "It belongs to the person to whom you offered it. Its old code is void: do not use it any more.",
            "If money is paid back for it, that goes to the person who has booked it.",
        ),
        rows=rows_of(story.about),
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
        subject=f"Your ticket was {what}: {show_title(story.event)}",
        preview="It is still yours, with the same code.",
        heading=f"The ticket that you offered was {what}",
        paragraphs=(f"{sentence} It is still yours, with the same code.",),
        rows=rows_of(story.about),
        action=link_to_booking("Show my tickets", story, setting),
        why=_PASSED_ON,
    )


def _ticket_received(story: Story, setting: Setting) -> Letter:
    booking = booking_of(story)
    door = booking.payment == "door" and booking.payment_id is None and booking.total_minor() > 0
    return Letter(
        subject=f"Your ticket: {show_title(story.event)}, {show_short_day(story.event)}",
        preview=f"{show_when(story.event)}, {plain(story.event.venue_name)}",
        heading="The ticket is yours",
        paragraphs=attached_words(setting) or ("You find your ticket at the address below.",),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            *([("To pay at the door", show_amount(booking.total_minor(), booking))] if door else []),
        ),
        action=link_to_booking("Show my ticket", story, setting),
        notes=(
            "Show it once at the entrance, on paper or on a screen, and to nobody else before.",
            "You cannot cancel it: if you cannot come, pass it on, or give it back at the same address.",
        ),
        why=_RECEIVED,
    )


def _ticket_given_back(story: Story, setting: Setting) -> Letter:
    return Letter(
        subject=f"A ticket is yours again: {show_title(story.event)}",
        preview="The person to whom it was passed on has given it back.",
        heading="A ticket is yours again",
        paragraphs=(
            "The person who held it has given it back. It has a new code; you can use, pass on or cancel it.",
        ),
        rows=(*rows_of(story.about), ("Booking", reference_of(booking_of(story).booking_id))),
        action=link_to_booking("Show the booking", story, setting),
        why=_BOOKED,
    )


def _ticket_lost(story: Story, setting: Setting) -> Letter:
    cancelled = story.event.state == "cancelled"
    return Letter(
        subject=f"{'Event cancelled' if cancelled else 'Ticket cancelled'}: {show_title(story.event)}",
        preview="Your ticket is void.",
        heading="The event is cancelled" if cancelled else "Your ticket is cancelled",
        paragraphs=(
            "The organizer has cancelled the event. Your ticket is void."
            if cancelled
            else "The organizer has cancelled the ticket that was passed on to you. It is void.",
            *_reason_words(story),
            "What is paid back goes to the person who has booked it.",
        ),
        rows=rows_of(story.about),
        action=link_to_event("Show the event", story.event, setting),
        why=_RECEIVED,
    )


def _seats_changed(story: Story, setting: Setting) -> Letter:
    received = story.reader_id not in (None, booking_of(story).buyer_id)
    return Letter(
        subject=f"New seats: {show_title(story.event)}, {show_short_day(story.event)}",
        preview="Your earlier tickets are void: use the new ones.",
        heading="You have new seats",
        paragraphs=(
            "The organizer has given you other seats. Your earlier tickets are void, and admit nobody.",
            *attached_words(setting),
        ),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            ("Booking", reference_of(booking_of(story).booking_id)),
        ),
        action=link_to_booking("Show my tickets", story, setting),
        notes=(_SHOW_ONCE,),
        why=_RECEIVED if received else _BOOKED,
    )


def _tickets_resent(story: Story, setting: Setting) -> Letter:
    booking = booking_of(story)
    return Letter(
        subject=f"Your tickets again: {show_title(story.event)}, {show_short_day(story.event)}",
        preview=f"{show_when(story.event)}, {plain(story.event.venue_name)}",
        heading="Your tickets, once more",
        paragraphs=(
            "The organizer sends you your tickets again. They are the same as before.",
            *attached_words(setting),
        ),
        rows=(
            *rows_of(story.about),
            ("Tickets", list_tickets(story)),
            ("Booking", reference_of(booking.booking_id)),
        ),
        action=link_to_booking("Show my tickets", story, setting),
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
