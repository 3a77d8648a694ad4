"""What the API and the pages do with organizers: create one; log who changed what."""

from __future__ import annotations

from typing import Final

import structlog

from evently import accounts
from evently.accounts import Organizer
from evently.kit.ids import new_id
from evently.web.services import Request

_log: Final = structlog.get_logger(__name__)


async def create_organizer(request: Request, name: str, contact_email: str) -> Organizer:
    """Create an organizer, whose owner is the caller; refuses `invalid` and `limit-reached`."""
    context = request.context
    name, contact_email = accounts.organizers.check_organizer(name, contact_email)
    created = Organizer(new_id(), name, contact_email, version=1, created_at=context.clock())
    async with context.database.transaction() as tx:
        await accounts.organizers.create_organizer(tx, created, request.actor.id)
    context.accounts.roles.forget(created.organizer_id)
    log_change(request, "organizer created", organizer_id=created.organizer_id)
    return created


def log_change(request: Request, message: str, **objects: object) -> None:
    """Log a change and its actor. Ids only: no name, no e-mail, no secret."""
    _log.info(
        message,
        actor_id=str(request.actor.id),
        **{name: value if isinstance(value, list) else str(value) for name, value in objects.items()},
    )
