"""Promo codes of an event, for its organizer."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from evently import organizing
from evently.kit.cursors import Page, read_cursor, write_cursor
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import NO_ID, find_id, parse_id, show_id
from evently.kit.money import Money
from evently.organizing import (
    AMOUNT_OFF_MINOR_MAX,
    PER_BUYER_MAX,
    USES_MAX,
    PromoChanges,
    PromoDraft,
    draft_of_promo,
)
from evently.sales.commands import SalesRefusal
from evently.sales.reads import Promo, Sale
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX, TICKET_TYPES_MAX, WHOLE, PromoKind
from evently.web.api.catalogue.shapes import taken
from evently.web.api.organizing.parts import answer_changed_part, answer_made_part, answer_part, look_at_sale
from evently.web.edge.auth import organizer, policy
from evently.web.edge.conditional import require_if_match
from evently.web.edge.context import Request, Response
from evently.web.edge.lists import LIMIT, After, Limit, PageView, paginated
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, JSONBody, get, patch, post
from evently.web.edge.validation import Instant

_TAG: Final = "Organizer: promo codes"
_MANAGERS: Final = organizer("manager", "events:write")
_READERS: Final = organizer("manager", "events:read")  # a code is worth money: not for those at the door


def _number(smallest: int, largest: int, example: int) -> Any:
    return msgspec.Meta(examples=[example], extra_json_schema={"minimum": smallest, "maximum": largest})


Code = Annotated[
    str,
    msgspec.Meta(
        description="Letters, digits, dots, hyphens, underscores; without regard to case.",
        examples=["SPRING-27"],
        extra_json_schema={"minLength": 1, "maxLength": PROMO_CODE_CHARACTERS_MAX},
    ),
]
Percentage = Annotated[int, _number(1, WHOLE, 1_000)]
AmountOff = Annotated[
    Money, msgspec.Meta(description=f"Off each ticket; at most {AMOUNT_OFF_MINOR_MAX} minor units.")
]
TicketTypeIds = Annotated[
    list[str],
    msgspec.Meta(
        description="What it is good for; none: everything. Those of them that are hidden can be bought with it.",
        examples=[[]],
        extra_json_schema={"maxItems": TICKET_TYPES_MAX},
    ),
]
Uses = Annotated[int, _number(1, USES_MAX, 100)]
PerBuyer = Annotated[int, _number(1, PER_BUYER_MAX, 1)]


class PromoBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new promo code: `percent` with `basis_points`, `fixed` with `amount`, or `unlock` with the ticket types that it unlocks."""

    code: Code
    kind: PromoKind
    basis_points: Percentage | None = None
    amount: AmountOff | None = None
    ticket_type_ids: TicketTypeIds = []
    uses_max: Uses | None = None
    per_buyer_max: PerBuyer | None = None
    budget: Money | None = None
    from_at: Instant | None = None
    until_at: Instant | None = None


class PromoPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change for later bookings. Its kind stays; null is no limit."""

    code: Code | UnsetType = UNSET
    basis_points: Percentage | UnsetType | None = UNSET
    amount: AmountOff | UnsetType | None = UNSET
    ticket_type_ids: TicketTypeIds | UnsetType = UNSET
    uses_max: Uses | UnsetType | None = UNSET
    per_buyer_max: PerBuyer | UnsetType | None = UNSET
    budget: Money | UnsetType | None = UNSET
    from_at: Instant | UnsetType | None = UNSET
    until_at: Instant | UnsetType | None = UNSET


class PromoView(msgspec.Struct, frozen=True, kw_only=True):
    """A promo code. `uses`: live bookings with it; `spent`: what it took off in those."""

    id: Annotated[str, msgspec.Meta(examples=["prm_01m7y4ef72ev2sxmcnxfse27zp"])]
    code: Code
    kind: PromoKind
    basis_points: Percentage | None
    amount: AmountOff | None
    ticket_type_ids: list[str]
    uses_max: Uses | None
    per_buyer_max: PerBuyer | None
    budget: Money | None
    from_at: datetime | None
    until_at: datetime | None
    retired: bool
    uses: int
    spent: Money


@post(
    "/v1/events/{event_id:str}/promo-codes",
    operation_id="addPromoCode",
    summary="Add a promo code",
    description="Takes a percentage or an amount off the price of each ticket, or unlocks hidden ticket types. No buyer is shown it.",
    tags=[_TAG],
    responses=problems(
        SalesRefusal.PROMO_CODE_TAKEN, SalesRefusal.TOO_MANY_PARTS, SalesRefusal.EVENT_CANCELLED
    ),
    **policy(_MANAGERS),
)
async def add_promo_code(
    request: Request, event_id: FromPath[str], data: JSONBody[PromoBody]
) -> Response[PromoView]:
    """Give an event a promo code."""
    context, event = request.context, parse_id("evt", event_id)
    draft = taken(PromoDraft, data, ticket_type_ids=_ticket_type_ids(data.ticket_type_ids))
    async with context.database.transaction() as tx:
        added = await organizing.add_promo_code(tx, event, draft, context.clock())
    view = _show(added.sale, _promo(added.sale, added.part_id))
    return answer_made_part(request, added.event, "promo-codes", view.id, view)


@get(
    "/v1/events/{event_id:str}/promo-codes",
    operation_id="listPromoCodes",
    summary="The promo codes of an event, retired ones too, the oldest first",
    tags=[_TAG],
    responses=problems(),
    **policy(_READERS),
)
async def list_promo_codes(
    request: Request, event_id: FromPath[str], limit: Limit = LIMIT, after: After = None
) -> Response[PageView[PromoView]]:
    """List promo codes."""
    _, sale = await look_at_sale(request.context, event_id)
    position = None if after is None else read_cursor(after, tuple[UUID])[0]
    promos = sorted(sale.promos.values(), key=lambda promo: promo.terms.promo_id.bytes)
    rest = [promo for promo in promos if position is None or promo.terms.promo_id.bytes > position.bytes]
    page = Page(rest[:limit], write_cursor((rest[limit - 1].terms.promo_id,)) if len(rest) > limit else None)
    return paginated(request, page, partial(_show, sale))


@get(
    "/v1/events/{event_id:str}/promo-codes/{promo_id:str}",
    operation_id="getPromoCode",
    summary="One promo code",
    tags=[_TAG],
    responses=problems(),
    **policy(_READERS),
)
async def get_promo_code(
    request: Request, event_id: FromPath[str], promo_id: FromPath[str]
) -> Response[PromoView]:
    """Return a promo code with what was used of it."""
    event, sale = await look_at_sale(request.context, event_id)
    return answer_part(event, _show(sale, _promo(sale, parse_id("prm", promo_id))))


@patch(
    "/v1/events/{event_id:str}/promo-codes/{promo_id:str}",
    operation_id="changePromoCode",
    summary="Change a promo code",
    description="For later bookings. Its limits go no lower than what was used.",
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
    request: Request, event_id: FromPath[str], promo_id: FromPath[str], data: JSONBody[PromoPatch]
) -> Response[PromoView]:
    """Change a promo code."""
    context, event, promo = request.context, parse_id("evt", event_id), parse_id("prm", promo_id)
    named = UNSET if data.ticket_type_ids is UNSET else _ticket_type_ids(data.ticket_type_ids)
    changes, seen = taken(PromoChanges, data, ticket_type_ids=named), partial(require_if_match, request)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.change_promo_code(tx, event, promo, changes, context.clock(), seen)
    return answer_changed_part(request, changed, _show(sale, _promo(sale, promo)))


@post(
    "/v1/events/{event_id:str}/promo-codes/{promo_id:str}/retire",
    operation_id="retirePromoCode",
    summary="Retire a promo code",
    description="No booking is made with it any more; those that were keep their price. Harmless to repeat.",
    tags=[_TAG],
    status_code=200,
    responses=problems(SalesRefusal.EVENT_CANCELLED),
    **policy(_MANAGERS),
)
async def retire_promo_code(
    request: Request, event_id: FromPath[str], promo_id: FromPath[str]
) -> Response[PromoView]:
    """Take a promo code no more."""
    context, event, promo = request.context, parse_id("evt", event_id), parse_id("prm", promo_id)
    async with context.database.transaction() as tx:
        changed, sale = await organizing.retire_promo_code(tx, event, promo, context.clock())
    return answer_changed_part(request, changed, _show(sale, _promo(sale, promo)))


def _ticket_type_ids(texts: list[str]) -> tuple[UUID, ...]:
    return tuple(find_id("tty", text) or NO_ID for text in texts)


def _promo(sale: Sale, promo_id: UUID) -> Promo:
    promo = sale.promo(promo_id)
    if promo is None:
        raise Refused(CommonRefusal.NOT_FOUND, "promo_code")
    return promo


def _show(sale: Sale, promo: Promo) -> PromoView:
    said = draft_of_promo(promo.terms, sale.currency)
    return taken(
        PromoView,
        said,
        id=show_id("prm", promo.terms.promo_id),
        ticket_type_ids=[show_id("tty", ticket_type_id) for ticket_type_id in said.ticket_type_ids],
        retired=promo.terms.retired,
        uses=promo.uses,
        spent=Money(promo.spent_minor, sale.currency),
    )


routes: Final = [add_promo_code, list_promo_codes, get_promo_code, change_promo_code, retire_promo_code]
