"""The caller's notifications: list them, mark one as read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import notifications
from evently.kit.errors import CommonRefusal
from evently.kit.ids import NotificationId, show_id
from evently.notifications import Notification
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.conditional import NO_STORE
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get, post
from evently.web.services import Request


class NotificationView(msgspec.Struct, frozen=True):
    """A notification to a person about a booking, a waitlist entry or a refund.

    It records one change. Get the booking, the waitlist entry or the refund to see its present state.

    `kind`: offer_made (an offer waits for acceptance), offer_lapsed (an offer was not accepted in time),
    entry_withdrawn (the event was cancelled, or the buyer reached a limit), booking_confirmed,
    booking_cancelled, tickets_cancelled (some tickets of a booking), return_taken (another buyer took
    returned tickets), refund_paid, event_rescheduled (another time or place: get the event and the
    cancellation quote).
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


routes: Final = [list_my_notifications, read_notification]
