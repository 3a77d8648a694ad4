"""What devices read again and again: the signed list, the key that verifies it, and the counters."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from evently.checkin import DoorCounts
from evently.kit.ids import EventId
from evently.web.api.catalogue.answers import send
from evently.web.door import counts_of, list_of
from evently.web.edge.auth import PUBLIC, organizer, policy
from evently.web.edge.context import Response
from evently.web.edge.problems import problems
from evently.web.edge.routing import FromPath, get
from evently.web.services import Request

_TAG: Final = "Organizer: check-in"
_DOOR: Final = organizer("door", "checkin:write")
_KEY_SECONDS: Final = 3600


class SignedListView(msgspec.Struct, frozen=True):
    """The list with which a device decides without a network.

    `signed` is JSON as text. `signature` (base64url, 64 bytes: r and s) is ES256 over its bytes in UTF-8, by
    the key `key_id` of `GET /v1/check-in/keys`. docs/check-in.md says what the text contains.
    """

    signed: Annotated[str, msgspec.Meta(examples=['{"event_id":"evt_01m7y4ef72ev2sxmcnxfse27zp"}'])]
    signature: Annotated[str, msgspec.Meta(examples=["MEUCIQ"])]
    key_id: Annotated[str, msgspec.Meta(examples=["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"])]


class KeyView(msgspec.Struct, frozen=True):
    """A public key (RFC 7517)."""

    kty: Annotated[str, msgspec.Meta(examples=["EC"])]
    crv: Annotated[str, msgspec.Meta(examples=["P-256"])]
    x: Annotated[str, msgspec.Meta(examples=["f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"])]
    y: Annotated[str, msgspec.Meta(examples=["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"])]
    kid: Annotated[str, msgspec.Meta(examples=["NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"])]
    alg: Annotated[str, msgspec.Meta(examples=["ES256"])]
    use: Annotated[str, msgspec.Meta(examples=["sig"])]


class KeysView(msgspec.Struct, frozen=True):
    """The public keys that verify lists."""

    keys: list[KeyView]


@get(
    "/v1/events/{event_id}/check-in/list",
    operation_id="getCheckInList",
    summary="Get the list for scanning without a network",
    description=(
        "The list has a hash of each code instead of the code, so it admits nobody by itself; names only "
        "where the organizer allows it (`names_offline`). It is made anew every quarter of a minute: ask "
        "each minute, with If-None-Match."
    ),
    tags=[_TAG],
    responses=problems(),
    **policy(_DOOR),
)
async def get_list(
    request: Request, event_id: FromPath[EventId]
) -> Response[SignedListView] | Response[None]:
    """Return the signed list of an event."""
    return send(request, await list_of(request, event_id))


@get(
    "/v1/check-in/keys",
    operation_id="getCheckInKeys",
    summary="Get the keys that verify lists",
    tags=[_TAG],
    responses=problems(),
    **policy(PUBLIC),
)
async def get_keys(request: Request) -> Response[KeysView]:
    """Return the public keys as a JSON Web Key Set."""
    key = KeyView(**request.context.list_signer.public_key)
    return Response(KeysView([key]), headers={"cache-control": f"public, max-age={_KEY_SECONDS}"})


@get(
    "/v1/events/{event_id}/check-in/counters",
    operation_id="getCheckInCounters",
    summary="Count check-ins by gate and by minute",
    description="Counted at most once a second: ask every few seconds, with If-None-Match.",
    tags=[_TAG],
    responses=problems(),
    **policy(_DOOR),
)
async def get_counters(
    request: Request, event_id: FromPath[EventId]
) -> Response[DoorCounts] | Response[None]:
    """Return the counters of a door."""
    return send(request, await counts_of(request, event_id))


routes: Final = [get_list, get_keys, get_counters]
