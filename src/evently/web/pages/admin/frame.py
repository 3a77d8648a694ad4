"""The frame of every page of administration."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from evently.accounts import acts
from evently.kit.errors import Invalid
from evently.web.edge.context import Response
from evently.web.pages.forms import Form, FormError, errors_of
from evently.web.pages.rendering import render
from evently.web.services import Request

UTC: Final = ZoneInfo("UTC")
PLACES: Final = (
    ("", "Overview"),
    ("people", "People"),
    ("organizers", "Organizers"),
    ("events", "Events"),
    ("health", "Health"),
    ("jobs", "Failed jobs"),
    ("audits", "Audits"),
    ("acts", "What was done"),
)


class Link(NamedTuple):
    """A page of administration."""

    name: str
    address: str
    current: bool


def render_admin(
    request: Request, template: str, *, status: int = 200, errors: Sequence[FormError] = (), **values: Any
) -> Response[str]:
    """Return a page in the frame; its template extends `admin/admin.html`."""
    here = request.scope["path"].rstrip("/")
    links = []
    for path, name in PLACES:
        to = f"/admin/{path}" if path else "/admin"
        links.append(Link(name, to, here == to or (path != "" and here.startswith(f"{to}/"))))
    given: dict[str, Any] = {"places": links, "errors": list(errors), "form": Form([]), "desk": None} | values
    return render(request, f"admin/{template}", status=status, **given)


def read_reason(form: Form) -> tuple[str, list[FormError]]:
    """Return the reason that was typed, and what is wrong with it."""
    reason, wrong = acts.check_reason(form.raw("reason"), "/reason")
    return reason, errors_of(Invalid(wrong), {"/reason": "reason"}) if wrong else []


def in_utc(at: datetime | None) -> datetime | None:
    """Return an instant as administration shows it."""
    return None if at is None else at.astimezone(UTC)
