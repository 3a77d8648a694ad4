"""The admission that a waiting room gives: the header of a booking. Verifying it reads nothing."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from evently.waitingroom import TOKEN_CHARACTERS_MAX
from evently.web.edge.routing import HeaderParameter
from evently.web.services import Request

AdmissionToken: TypeAlias = Annotated[
    str | None,
    HeaderParameter(
        name="Admission-Token",
        max_length=TOKEN_CHARACTERS_MAX,
        description="The token of an admission, for a sale with a waiting room.",
    ),
]


def is_admitted(request: Request, event_id: UUID, token: str | None) -> bool:
    """Return whether a token admits the caller to the sale of an event now."""
    return request.context.waiting_rooms.admits(token, event_id, request.actor.id)
