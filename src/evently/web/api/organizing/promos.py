"""Promo codes of an event, for its organizer."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Final
from uuid import UUID

import msgspec

from evently import organizing
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.ids import EventId, PromoCodeId, show_id
from evently.kit.money import Money
from evently.kit.shapes import copy_fields
from evently.organizing import (
    AmountOff,
    Code,
    PerBuyerUses,
    Percentage,
    PromoChanges,
    PromoDraft,
    UnitsPerUse,
    Uses,
    draft_of_promo,
    get_promo,
)
from evently.sales.outcomes import SalesRefusal
from evently.sales.reads import Promo, Sale
from evently.sales.terms import PromoKind
from evently.web.api.organizing.parts import (
    answer_added_part,
    answer_changed_part,
    answer_part,
    read_event_and_sale,
)
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, patch, post
from evently.web.services import Request

_TAG: Final = "Organizer: promo codes"
_MANAGERS: Final = organizer("manager", "events:write")
_READERS: Final = organizer("manager", "events:read")  # a code is worth money: door members do not see it


class PromoView(msgspec.Struct, frozen=True, kw_only=True):
    """A promo code. `uses`: held and confirmed bookings with it; `spent`: the discounts of those bookings."""

    id: Annotated[str, msgspec.Meta(examples=["prm_01m7y4ef72ev2sxmcnxfse27zp"])]
    code: Code
    kind: PromoKind
    basis_points: Percentage | None
    amount: AmountOff | None
    ticket_type_ids: list[str]
    uses_max: Uses | None
    per_buyer_max: PerBuyerUses | None
    units_per_use_max: UnitsPerUse | None
    budget: Money | None
    from_at: datetime | None
    until_at: datetime | None
    retired: bool
    uses: int
    spent: Money


@post(
    "/v1/events/{event_id}/promo-codes",
    operation_id="addPromoCode",
    summary="Add a promo code",
    description=(
        "Takes a percentage or an amount off the price of each ticket, or an amount off the whole booking, "
        "or unlocks hidden ticket types. Buyers do not see it. An amount off the booking "
        "(`fixed_per_booking`) is split over its tickets in proportion to their prices, to the minor unit, "
        "and never takes off more than they cost. Each ticket keeps its discount: cancelling some of them "
        "refunds what these cost."
    ),
    tags=[_TAG],
    responses=problems(
        SalesRefusal.PROMO_CODE_TAKEN, SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED
    ),
    **policy(_MANAGERS),
)
async def add_promo_code(
    request: Request, event_id: FromPath[EventId], data: JSONBody[PromoDraft]
) -> Response[PromoView]:
    """Add a promo code to an event."""
    context = request.context
    async with context.database.transaction() as tx:
        added = await organizing.add_promo_code(
            tx, event_id, data, context.clock(), context.checkout.denominations
        )
    view = _show(added.sale, get_promo(added.sale, added.part_id))
    return answer_added_part(request, added.event, "promo-codes", view.id, view)


@get(
    "/v1/events/{event_id}/promo-codes",
    operation_id="listPromoCodes",
    summary="List the promo codes of an event",
    tags=[_TAG],
    responses=problems(),
    **policy(_READERS),
)
async def list_promo_codes(
    request: Request, event_id: FromPath[EventId], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[PromoView]]:
    """List the promo codes of an event, retired ones too, the oldest first."""
    _, sale = await read_event_and_sale(request.context, event_id)
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    promos = sorted(sale.promos.values(), key=lambda promo: promo.terms.promo_id.bytes)
    rest = [promo for promo in promos if position is None or promo.terms.promo_id.bytes > position.bytes]
    page = Page(rest[:limit], write_cursor((rest[limit - 1].terms.promo_id,)) if len(rest) > limit else None)
    return paginated(request, page, partial(_show, sale))


@get(
    "/v1/events/{event_id}/promo-codes/{promo_id}",
    operation_id="getPromoCode",
    summary="Get a promo code",
    tags=[_TAG],
    responses=problems(),
    **policy(_READERS),
)
async def get_promo_code(
    request: Request, event_id: FromPath[EventId], promo_id: FromPath[PromoCodeId]
) -> Response[PromoView]:
    """Return a promo code with its uses."""
    event, sale = await read_event_and_sale(request.context, event_id)
    return answer_part(event, _show(sale, get_promo(sale, promo_id)))


@patch(
    "/v1/events/{event_id}/promo-codes/{promo_id}",
    operation_id="changePromoCode",
    summary="Change a promo code",
    description="Changes are for later bookings. Its limits cannot fall below what was used.",
    tags=[_TAG],
    responses=problems(
        SalesRefusal.PROMO_CODE_TAKEN,
        SalesRefusal.PROMO_CODE_LIMIT_TOO_LOW,
        SalesRefusal.EVENT_CANCELLED,
        412,
        428,
    ),
    **policy(_MANAGERS),
)
async def change_promo_code(
    request: Request,
    event_id: FromPath[EventId],
    promo_id: FromPath[PromoCodeId],
    data: JSONBody[PromoChanges],
) -> Response[PromoView]:
    """Change a promo code."""
    context, seen = request.context, partial(require_if_match, request)
    async with context.database.transaction() as tx:
        event, sale = await organizing.change_promo_code(
            tx, event_id, promo_id, data, context.clock(), seen, context.checkout.denominations
        )
    return answer_changed_part(request, event, _show(sale, get_promo(sale, promo_id)))


@post(
    "/v1/events/{event_id}/promo-codes/{promo_id}/retire",
    operation_id="retirePromoCode",
    summary="Retire a promo code",
    description="New bookings cannot use it; earlier bookings keep their price. Safe to repeat.",
    tags=[_TAG],
    status_code=200,
    responses=problems(SalesRefusal.EVENT_CANCELLED),
    **policy(_MANAGERS),
)
async def retire_promo_code(
    request: Request, event_id: FromPath[EventId], promo_id: FromPath[PromoCodeId]
) -> Response[PromoView]:
    """Stop accepting a promo code."""
    context = request.context
    async with context.database.transaction() as tx:
        event, sale = await organizing.retire_promo_code(tx, event_id, promo_id, context.clock())
    return answer_changed_part(request, event, _show(sale, get_promo(sale, promo_id)))


def _show(sale: Sale, promo: Promo) -> PromoView:
    draft = draft_of_promo(promo.terms, sale.currency)
    return copy_fields(
        PromoView,
        draft,
        id=show_id("prm", promo.terms.promo_id),
        ticket_type_ids=[show_id("tty", ticket_type_id) for ticket_type_id in draft.ticket_type_ids],
        retired=promo.terms.retired,
        uses=promo.uses,
        spent=Money(promo.spent_minor, sale.currency),
    )


routes: Final = [add_promo_code, list_promo_codes, get_promo_code, change_promo_code, retire_promo_code]
