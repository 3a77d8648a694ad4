"""The place in a waiting room, and the admission from it, as a browser keeps them: two cookies an event.

They are sent with the pages of that event alone. A token names its person, so another one's admits nobody.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final
from uuid import UUID

from evently.kit.ids import show_id
from evently.waitingroom import Admission, Entry
from evently.web.admissions import is_admitted
from evently.web.edge.cookies import read_cookie, set_cookie
from evently.web.services import Request

_PLACE: Final = "evently-place"
_ADMISSION: Final = "evently-admission"
_PLACE_SECONDS: Final = 3 * 86_400  # a waiting room opens a day before the sale, at most


def is_admitted_here(request: Request, event_id: UUID) -> bool:
    """Return whether the reader has an admission to the sale of an event."""
    return is_admitted(request, event_id, read_cookie(request, _ADMISSION))


def read_place_token(request: Request) -> str | None:
    """Return the token of the place that this browser has in the waiting room of the event of the page."""
    return read_cookie(request, _PLACE)


def keep_place(request: Request, entry: Entry) -> None:
    """Make the browser keep a place."""
    token = request.context.waiting_rooms.sign_place(entry)
    path = _path(entry.event_id)
    set_cookie(request, _PLACE, token, seconds=_PLACE_SECONDS, secret=True, path=path)


def keep_admission(request: Request, event_id: UUID, admission: Admission, now: datetime) -> None:
    """Make the browser keep an admission, for as long as it lasts."""
    seconds = max(1, math.ceil((admission.expires_at - now).total_seconds()))
    set_cookie(request, _ADMISSION, admission.token, seconds=seconds, secret=True, path=_path(event_id))


def _path(event_id: UUID) -> str:
    return f"/events/{show_id('evt', event_id)}"
