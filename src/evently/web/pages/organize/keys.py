"""API keys of an organizer: made with scopes, shown once, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from evently import accounts
from evently.accounts import AccountsRefusal
from evently.accounts.keys import SCOPES
from evently.kit.errors import Invalid, Refused
from evently.kit.ids import ApiKeyId, OrganizerId
from evently.web.edge.auth import policy
from evently.web.edge.context import Response
from evently.web.edge.problems import sentence_of
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.organizers import create_key, revoke_key
from evently.web.pages.forms import Form, FormError, errors_of, read_form
from evently.web.pages.organize.desk import OWNERS, open_desk, organizer_address, render_desk
from evently.web.pages.rendering import act, see_other, show
from evently.web.services import Request

_SHOWN_MAX: Final = 50
_UTC: Final = ZoneInfo("UTC")
_WORDS: Final = {
    "events:read": "Read events, venues and seat maps, drafts too",
    "events:write": "Create and change events, and what is sold",
    "bookings:read": "Read bookings, attendees and waitlists: names and addresses of people",
    "bookings:write": "Cancel bookings and pay money back",
    "analytics:read": "Read figures of sales and revenue",
    "checkin:write": "Check tickets in at the door",
    "webhooks:write": "Register webhooks, and read what was sent to them",
}
Saved = Annotated[str, QueryParameter(max_length=10)]
After = Annotated[str, QueryParameter(max_length=500)]
Page = Response[str] | Response[None]


@show("/organize/{organizer_id}/keys", **policy(OWNERS))
async def show_keys(
    request: Request, organizer_id: FromPath[OrganizerId], saved: Saved = "", after: After = ""
) -> Response[str]:
    """Return the API keys of an organizer, the newest first, revoked ones too."""
    done = "The key is revoked: programs that use it are refused from now on." if saved == "revoked" else ""
    return await _page(request, organizer_id, done=done, after=after or None)


@act("/organize/{organizer_id}/keys", **policy(OWNERS))
async def add_key(request: Request, organizer_id: FromPath[OrganizerId]) -> Page:
    """Make an API key, and show it once: it is in no address, and no cache stores the page."""
    form = await read_form(request)
    scopes, errors = form.all("scope"), list[FormError]()
    name = accounts.people.normalise_name(form.text("name"))
    if wrong := accounts.people.name_errors(name, "/name"):
        errors += errors_of(Invalid(wrong[:1]), {"/name": "name"})
    if not scopes or not set(scopes) <= set(SCOPES):
        errors.append(FormError("scopes", "Choose what the key may do."))
    if errors:
        return await _page(request, organizer_id, form=form, errors=errors)
    try:
        key, text = await create_key(request, organizer_id, name, frozenset(scopes))
    except Refused as exc:
        if exc.refusal is not AccountsRefusal.LIMIT_REACHED:
            raise
        return await _page(request, organizer_id, form=form, errors=[FormError("name", sentence_of(exc))])
    return await _page(request, organizer_id, made=(key.name, text))


@act("/organize/{organizer_id}/keys/{api_key_id}/revoke", **policy(OWNERS))
async def revoke(
    request: Request, organizer_id: FromPath[OrganizerId], api_key_id: FromPath[ApiKeyId]
) -> Page:
    """Revoke an API key for good, once the reader has confirmed it."""
    if (await read_form(request)).text("confirm") != "yes":
        return await _page(request, organizer_id, asked_about=api_key_id)
    await revoke_key(request, organizer_id, api_key_id)
    return see_other(f"{organizer_address(organizer_id)}/keys?saved=revoked")


async def _page(
    request: Request,
    organizer_id: UUID,
    *,
    form: Form | None = None,
    errors: Sequence[FormError] = (),
    done: str = "",
    made: tuple[str, str] | None = None,
    asked_about: UUID | None = None,
    after: str | None = None,
) -> Response[str]:
    desk = await open_desk(request, organizer_id)
    page = await accounts.keys.list_keys(request.context.database, organizer_id, _SHOWN_MAX, after)
    return render_desk(
        request,
        desk,
        "keys.html",
        status=422 if errors else 200,
        keys=[
            {
                "key": each,
                "scopes": [scope for scope in SCOPES if scope in each.scopes],
                "created": each.created_at.astimezone(_UTC),
                "used": each.last_used_at and each.last_used_at.astimezone(_UTC),
                "revoked": each.revoked_at and each.revoked_at.astimezone(_UTC),
            }
            for each in page.data
        ],
        next_page=page.next_cursor,
        scopes=[(scope, _WORDS[scope]) for scope in SCOPES],
        chosen=set(form.all("scope")) if form is not None else set(),
        form=form or Form([]),
        errors=list(errors),
        done=done,
        made=made,
        asked_about=asked_about,
    )


routes: Final = [show_keys, add_key, revoke]
