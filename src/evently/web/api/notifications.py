"""The caller's notifications: list them, mark one as read, choose which come by e-mail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from evently import mail, notifications, push
from evently.accounts import people
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NotificationId, show_id
from evently.notifications import (
    REQUIRED,
    TOPICS,
    Choice,
    Notification,
    NotificationsRefusal,
    Topic,
)
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, QueryParameter, get, post, put
from evently.web.services import Request


class NotificationView(msgspec.Struct, frozen=True):
    """A notification to a person about a booking, a waitlist entry or a refund.

    It records one change. Get the booking, the waitlist entry or the refund to see its present state.

    `kind`: offer_made (an offer waits for acceptance), offer_ending (an offer is in its last hours),
    offer_lapsed (an offer was not accepted in time, or who had returned a ticket came with it),
    entry_withdrawn (the event was cancelled, or the buyer reached a limit), booking_confirmed,
    booking_cancelled, tickets_cancelled (some tickets of a booking), return_taken (another buyer took
    returned tickets), refund_paid, payment_failed (the hold ended, or the booking was cancelled, because it
    was not paid), event_rescheduled (another time or place: get the event and the cancellation quote),
    event_reminder (the event is on the next day); transfer_accepted,
    transfer_declined, transfer_expired (an offer of a ticket to another person), ticket_received (a ticket
    was passed on to me), ticket_given_back (a ticket is its buyer's again), ticket_lost (the organizer
    cancelled a ticket that was passed on to me), seats_changed (the organizer gave my tickets other seats;
    their earlier codes are void).
    """

    id: str
    event_id: str
    kind: str
    booking_id: str | None
    waitlist_entry_id: str | None
    refund_id: str | None
    created_at: datetime
    read_at: datetime | None


@get(
    "/v1/me/notifications",
    operation_id="listMyNotifications",
    summary="List my notifications",
    tags=["Notifications"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_notifications(
    request: Request,
    unread: Annotated[bool, QueryParameter(description="Return only unread notifications.")] = False,  # noqa: FBT002  # query parameters are passed by name
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[NotificationView]]:
    """List the notifications of the caller, newest first."""
    page = await notifications.list_notifications(
        request.context.database, request.actor.id, limit, after, unread=unread
    )
    return paginated(request, page, _show)


@post(
    "/v1/me/notifications/{notification_id}/read",
    operation_id="readNotification",
    summary="Mark a notification as read",
    description="Safe to repeat: `read_at` keeps the time of the first request.",
    tags=["Notifications"],
    status_code=200,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def read_notification(
    request: Request, notification_id: FromPath[NotificationId]
) -> Response[NotificationView]:
    """Mark a notification of the caller as read."""
    context, notification = request.context, notification_id
    async with context.database.transaction() as tx:
        read = await notifications.mark_read(tx, request.actor.id, notification, context.clock())
    return Response(_show(read), headers=NO_STORE)


class ChannelsView(msgspec.Struct, frozen=True):
    """The channels of a topic. `push`: on every device that I have turned on."""

    email: bool
    push: bool


class TopicView(msgspec.Struct, frozen=True):
    """A topic of notifications, and whether they come by e-mail and by web push as well.

    `topic`: tickets (bookings, payments, cancellations, refunds), changes (another time or place of an
    event), waitlist (offers, their last hours and their end), reminders (the day before an event). What is
    `required` cannot be refused by e-mail. All notifications are in the list, whatever the choice.
    """

    topic: Topic
    required: bool
    channels: ChannelsView


class EmailAddressView(msgspec.Struct, frozen=True):
    """Where e-mails to me go.

    `sending` is false when this installation sends no e-mail. `bounced_at`: since when the mail server
    refuses this address; `bounce` is what it answered. Until it accepts a message, only required topics are
    tried.
    """

    address: str | None
    sending: bool
    bounced_at: datetime | None
    bounce: str | None


class PushView(msgspec.Struct, frozen=True):
    """Where pushes to me go. `offered` is false when this installation sends none.

    Devices are turned on at the page `/me/notifications`, in the browser that gets the pushes.
    """

    offered: bool
    devices: int


class NotificationChoicesView(msgspec.Struct, frozen=True):
    """What I am told, and how."""

    email: EmailAddressView
    push: PushView
    topics: list[TopicView]


class TopicBody(msgspec.Struct, forbid_unknown_fields=True):
    """Whether I want a topic by e-mail, and by web push: left out, that stays."""

    email: Annotated[bool, msgspec.Meta(examples=[False])]
    push: Annotated[bool | UnsetType, msgspec.Meta(examples=[True])] = UNSET


@get(
    "/v1/me/notification-choices",
    operation_id="getMyNotificationChoices",
    summary="Get my notification choices",
    tags=["Notifications"],
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def get_my_choices(request: Request) -> Response[NotificationChoicesView]:
    """Return the topics of notifications with the choices of the caller, and the state of their address."""
    return await _show_choices(request)


@put(
    "/v1/me/notification-choices/{topic}",
    operation_id="chooseNotifications",
    summary="Choose about a topic",
    description="Safe to repeat. Returns all choices.",
    tags=["Notifications"],
    responses=problems(CommonRefusal.NOT_FOUND, NotificationsRefusal.TOPIC_REQUIRED),
    **policy(SIGNED_IN),
)
async def choose(
    request: Request, topic: FromPath[str], data: JSONBody[TopicBody]
) -> Response[NotificationChoicesView]:
    """Choose whether notifications about a topic come by e-mail and by web push."""
    context, found = request.context, next((each for each in TOPICS if each == topic), None)
    if found is None:
        raise Refused(CommonRefusal.NOT_FOUND)
    choices = [Choice(found, "email", wanted=data.email)]
    if data.push is not UNSET:
        choices.append(Choice(found, "push", wanted=data.push))
    async with context.database.transaction() as tx:
        for choice in choices:
            await notifications.choose(tx, request.actor.id, choice, context.clock())
    return await _show_choices(request)


async def _show_choices(request: Request) -> Response[NotificationChoicesView]:
    context = request.context
    person = await people.get_person(context.database, request.actor.id)
    chosen = await notifications.list_choices(context.database, request.actor.id)
    wanted = {(each.topic, each.channel): each.wanted for each in chosen}
    devices = await push.list_devices(context.database, request.actor.id)
    bounce = None if person.email is None else await mail.find_bounce(context.database, person.email)
    view = NotificationChoicesView(
        EmailAddressView(
            person.email,
            context.mail.on,
            None if bounce is None else bounce.bounced_at,
            None if bounce is None else bounce.answer,
        ),
        PushView(context.push.on, len(devices)),
        [
            TopicView(topic, topic in REQUIRED, ChannelsView(wanted[topic, "email"], wanted[topic, "push"]))
            for topic in TOPICS
        ],
    )
    return Response(view, headers=NO_STORE)


def _show(notification: Notification) -> NotificationView:
    return NotificationView(
        show_id("ntf", notification.notification_id),
        show_id("evt", notification.event_id),
        notification.kind,
        None if notification.booking_id is None else show_id("bkg", notification.booking_id),
        None if notification.entry_id is None else show_id("wle", notification.entry_id),
        None if notification.refund_id is None else show_id("rfd", notification.refund_id),
        notification.created_at,
        notification.read_at,
    )


routes: Final = [list_my_notifications, read_notification, get_my_choices, choose]
