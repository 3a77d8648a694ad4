"""Place a booking, the hot path of the whole system; extend a hold."""

from __future__ import annotations

from typing import Final

from evently import sales
from evently.analytics import read_source
from evently.kit.ids import BookingId, EventId
from evently.sales.commands.bookings import ExtendHold, PlaceBooking
from evently.sales.outcomes import SalesRefusal
from evently.web.admissions import AdmissionToken, is_admitted
from evently.web.api.bookings.bodies import BookingBody, lines_of
from evently.web.api.bookings.views import BookingView, answer_booking
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.idempotency import IdempotencyKey, fingerprint_of, key_of
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, post
from evently.web.paying import refuse_unpayable
from evently.web.services import Request
from evently.web.unlocking import count_guess

_PLACING: Final = (
    SalesRefusal.EVENT_NOT_FOUND,
    SalesRefusal.UNKNOWN_TICKET_TYPE,
    SalesRefusal.SOLD_OUT,
    SalesRefusal.NOT_ON_SALE_YET,
    SalesRefusal.NOT_ADMITTED,
    SalesRefusal.SALE_ENDED,
    SalesRefusal.EVENT_CANCELLED,
    SalesRefusal.OVER_BOOKING_LIMIT,
    SalesRefusal.ADD_ON_ALONE,
    SalesRefusal.OVER_BUYER_LIMIT,
    SalesRefusal.TOO_MANY_HOLDS,
    SalesRefusal.SEAT_TAKEN,
    SalesRefusal.ORPHAN_SEAT,
    SalesRefusal.UNKNOWN_SEAT,
    SalesRefusal.SEAT_OF_ANOTHER_ZONE,
    SalesRefusal.NOT_SEATED,
    SalesRefusal.UNKNOWN_PROMO_CODE,
    SalesRefusal.PROMO_CODE_NOT_VALID,
    SalesRefusal.PROMO_CODE_USED_UP,
    SalesRefusal.NO_GATEWAY,
    SalesRefusal.AMOUNT_NOT_PAYABLE,
    SalesRefusal.KEY_REUSED,
)


@post(
    "/v1/events/{event_id}/bookings",
    operation_id="placeBooking",
    summary="Book tickets",
    description=(
        "A booking that is free or paid at the door is confirmed at once. A booking that is paid online is "
        "held until `expires_at`: pay it with `POST /v1/bookings/{booking_id}/payments`, or cancel it to "
        "release the tickets. For assigned seating, name seats, or only a quantity to get the best available "
        "seats."
    ),
    tags=["Bookings"],
    responses=problems(*_PLACING),
    **policy(SIGNED_IN, rate="bookings"),
)
async def place_booking(
    request: Request,
    event_id: FromPath[EventId],
    data: JSONBody[BookingBody],
    idempotency_key: IdempotencyKey = None,
    admission_token: AdmissionToken = None,
) -> Response[BookingView]:
    """Book tickets; answer when the booking is durable."""
    if data.promo_code is not None:
        await count_guess(request)
    lines = lines_of(data.lines)
    await refuse_unpayable(request, event_id, lines, data.promo_code)
    command = PlaceBooking(
        event_id,
        request.actor.id,
        lines,
        key=key_of(idempotency_key),
        fingerprint=fingerprint_of("place", event_id, data),
        promo_code=data.promo_code,
        via="" if data.via is None else read_source(data.via),
        admitted=is_admitted(request, event_id, admission_token),
    )
    return answer_booking(request, await request.context.engine.submit(command), created=True)


@post(
    "/v1/bookings/{booking_id}/extend",
    operation_id="extendHold",
    summary="Extend a hold",
    description="Restarts the time of a hold from now. A hold can be extended once.",
    tags=["Bookings"],
    status_code=200,
    responses=problems(
        SalesRefusal.BOOKING_NOT_FOUND,
        SalesRefusal.ALREADY_EXTENDED,
        SalesRefusal.ALREADY_CONFIRMED,
        SalesRefusal.ALREADY_CANCELLED,
        SalesRefusal.HOLD_EXPIRED,
    ),
    **policy(SIGNED_IN, rate="bookings"),
)
async def extend_hold(request: Request, booking_id: FromPath[BookingId]) -> Response[BookingView]:
    """Extend a hold of the caller, once."""
    where = await sales.reads.locate_booking(request.context.database, booking_id)
    command = ExtendHold(where.event_id, booking_id, request.actor.id)
    return answer_booking(request, await request.context.engine.submit(command))


routes: Final = [place_booking, extend_hold]
