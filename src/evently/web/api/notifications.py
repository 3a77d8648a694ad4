"""What I was told."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from evently import notifications
from evently.kit.errors import CommonRefusal
from evently.kit.ids import parse_id, show_id
from evently.notifications import Notification
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Request, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, QueryParameter, get, post


class NotificationView(msgspec.Struct, frozen=True):
    """What I was told; look at what it is about to see how it is now.

    `kind`: offer_made (accept it in time), offer_lapsed, entry_withdrawn (by the organizer, or I have as many tickets as I may),
    booking_confirmed, booking_cancelled, tickets_cancelled, return_taken (of tickets that I returned), refund_paid.
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
    summary="What I was told, newest first",
    tags=["Notifications"],
    responses=problems(),
    **policy(SIGNED_IN),
)
async def list_my_notifications(
    request: Request,
    unread: Annotated[bool, QueryParameter(description="Only what I have not read.")] = False,  # noqa: FBT002  # a query has names
    limit: Limit = LIMIT,
    after: After = None,
) -> Response[PageView[NotificationView]]:
    """List what whoever asks was told."""
    page = await notifications.list_notifications(
        request.context.database, request.actor.id, limit, after, unread=unread
    )
    return paginated(request, page, _show)


@post(
    "/v1/me/notifications/{notification_id:str}/read",
    operation_id="readNotification",
    summary="I have read this",
    description="Harmless to repeat: the first time counts.",
    tags=["Notifications"],
    status_code=200,
    responses=problems(CommonRefusal.NOT_FOUND),
    **policy(SIGNED_IN),
)
async def read_notification(request: Request, notification_id: FromPath[str]) -> Response[NotificationView]:
    """Note that whoever asks has read what they were told."""
    context, notification = request.context, parse_id("ntf", notification_id)
    async with context.database.transaction() as tx:
        read = await notifications.mark_read(tx, request.actor.id, notification, context.clock())
    return Response(_show(read), headers={"cache-control": "no-store"})


def _show(told: Notification) -> NotificationView:
    return NotificationView(
        show_id("ntf", told.notification_id),
        show_id("evt", told.event_id),
        told.kind,
        None if told.booking_id is None else show_id("bkg", told.booking_id),
        None if told.entry_id is None else show_id("wle", told.entry_id),
        None if told.refund_id is None else show_id("rfd", told.refund_id),
        told.created_at,
        told.read_at,
    )


routes: Final = [list_my_notifications, read_notification]
