"""What the devices at a door read again and again, kept for all: the signed list and the counters.

And the address that enrols a device, and what people at a door see of the answers about a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec
from msgspec.structs import replace

from evently import checkin, questions
from evently.kit.ids import show_id
from evently.web.edge.conditional import NO_STORE, etag_of
from evently.web.edge.memory import Kept, kept
from evently.web.services import Request, Services

# A list of 20,000 tickets takes the database 0.1 s; devices ask each minute
LIST_SECONDS: Final = 15.0
COUNTS_SECONDS: Final = 1.0
_TAG_BYTES: Final = 9


async def list_of(request: Request, event_id: UUID) -> Kept:
    """Return the signed list of an event as JSON. Its tag is the same while only the time changes."""
    context = request.context

    async def make() -> Kept:
        content = await checkin.read_list(context.database, event_id, context.clock())
        signed = context.list_signer.sign(content)
        timeless = msgspec.json.encode((replace(content, made_at=None), signed.key_id))
        etag = etag_of(blake2b(timeless, digest_size=_TAG_BYTES).hexdigest())
        return Kept(msgspec.json.encode(signed), etag, "no-store", {**NO_STORE, "etag": etag}, LIST_SECONDS)

    return await context.memory.get(("check-in list", event_id), make)


async def find_answers(
    context: Services, event_id: UUID, ticket_ids: Sequence[UUID]
) -> Mapping[UUID, list[str]]:
    """Return the answers about tickets that people at a door may see, by ticket, each as a line."""
    if not ticket_ids or not await context.questions.any_at_door(event_id):
        return {}
    found = await questions.find_door_answers(context.database, event_id, ticket_ids)
    return {ticket_id: [each.line for each in given] for ticket_id, given in found.items()}


def enrolment_address(request: Request, event_id: UUID, code: str) -> str:
    """Return the address that a phone opens to become a scanner: with a host, for a QR code has no other."""
    site = request.context.options.public_url
    if not site:
        site = f"{request.scope.get('scheme', 'http')}://{request.header('host')}"
    return f"{site}/door/{show_id('evt', event_id)}/enrol?code={code}"


def forget_counts(request: Request, event_id: UUID) -> None:
    """Forget the counters of a door in this process: a person has undone a check-in, and looks at them."""
    request.context.memory.forget(("check-in counters", event_id))


async def counts_of(request: Request, event_id: UUID) -> Kept:
    """Return the counters of a door as JSON."""
    context = request.context

    async def make() -> Kept:
        counts = await checkin.count_door(context.database, event_id, context.clock())
        return kept(msgspec.json.encode(counts), "no-store", seconds=COUNTS_SECONDS)

    return await context.memory.get(("check-in counters", event_id), make)
