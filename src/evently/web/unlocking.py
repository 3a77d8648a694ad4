"""The `promo_code` parameter, which unlocks hidden ticket types of an event and of its availability."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias
from uuid import UUID

from evently.sales.outcomes import SalesRefusal
from evently.sales.terms import PROMO_CODE_CHARACTERS_MAX
from evently.web.edge.auth import ANONYMOUS, counted
from evently.web.edge.routing import QueryParameter
from evently.web.services import Request

PromoCode: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=PROMO_CODE_CHARACTERS_MAX,
        description="A promo code, in any case. The answer includes the hidden ticket types that it unlocks.",
    ),
]
# Without this, a shared cache would show the unlocked ticket types to others.
UNLOCKED: Final = {"cache-control": "private, no-store"}
REFUSALS: Final = (
    SalesRefusal.UNKNOWN_PROMO_CODE,
    SalesRefusal.PROMO_CODE_NOT_VALID,
    SalesRefusal.PROMO_CODE_USED_UP,
)


async def count_guess(request: Request) -> UUID | None:
    """Count this request against the rate limit of promo codes; return the caller's id, None for a visitor.

    Without the limit, promo codes could be guessed.
    """
    await request.context.limits.check("promo_codes", counted(request), request.exchange)
    return None if request.actor is ANONYMOUS else request.actor.id
