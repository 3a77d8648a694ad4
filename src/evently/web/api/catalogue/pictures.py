"""The picture of an event: upload one, or take it away. `pages/pictures.py` shows it to everybody."""

from __future__ import annotations

from functools import partial
from typing import Final

from evently.kit.errors import Refused
from evently.kit.ids import EventId
from evently.pictures import PicturesRefusal
from evently.sales.outcomes import SalesRefusal
from evently.web.api.catalogue.events import answer_edited
from evently.web.api.catalogue.shapes import EventView
from evently.web.api.catalogue.venues import MANAGERS
from evently.web.edge.auth import policy
from evently.web.edge.conditional import etag_of, require_if_match
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.refusals import EdgeRefusal
from evently.web.edge.routing import FromPath, delete, put
from evently.web.pictures import PICTURE_BYTES_MAX, PICTURE_TYPES, remove_picture, upload_picture
from evently.web.services import Request

_TAG: Final = "Organizer: events"
_BYTES: Final = "application/octet-stream"


@put(
    "/v1/events/{event_id}/picture",
    operation_id="putEventPicture",
    summary="Upload the picture of an event",
    description=(
        "The body is a JPEG, PNG or WebP file of at most 8 MB and 24 megapixels, and of at least 200 pixels "
        "in both directions; its `Content-Type` is `application/octet-stream`, or the type that it has: "
        "`image/jpeg`, `image/png`, `image/webp`. A picture is made anew from it: upright, smaller, and "
        "without the data that cameras add, such as the place. `image_url` of the event is then the address "
        "of a JPEG of at most 1,200 pixels, which stays as long as an event names it; other events can name "
        "it, too."
    ),
    tags=[_TAG],
    reads_body=True,
    body_type=_BYTES,
    responses=problems(
        SalesRefusal.EVENT_CANCELLED, PicturesRefusal.UNUSABLE, PicturesRefusal.TOO_MANY, 412, 428
    ),
    **policy(MANAGERS, rate="heavy", body_bytes_max=PICTURE_BYTES_MAX),
)
async def put_event_picture(request: Request, event_id: FromPath[EventId]) -> Response[EventView]:
    """Give an event the picture in the body."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != _BYTES and kind not in PICTURE_TYPES:
        raise Refused(EdgeRefusal.MEDIA_TYPE, "picture")
    seen = partial(require_if_match, request)
    said = "" if kind == _BYTES else kind
    return await answer_edited(
        request, await upload_picture(request, event_id, await request.body(), said, seen)
    )


@delete(
    "/v1/events/{event_id}/picture",
    operation_id="deleteEventPicture",
    summary="Remove the picture of an event",
    description=(
        "`image_url` is null then, and pages draw a poster. An uploaded picture that no event names any more "
        "is deleted a day later. Safe to repeat."
    ),
    tags=[_TAG],
    responses=problems(SalesRefusal.EVENT_CANCELLED, 412, 428),
    **policy(MANAGERS),
)
async def delete_event_picture(request: Request, event_id: FromPath[EventId]) -> Response[None]:
    """Take the picture from an event."""
    edited = await remove_picture(request, event_id, partial(require_if_match, request))
    return Response(None, status_code=204, headers={"etag": etag_of(edited.event.version)})


routes: Final = [put_event_picture, delete_event_picture]
