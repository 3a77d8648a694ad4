"""What a person is told by e-mail and by web push: topics with check boxes, the address, the devices.

A browser asks its person for permission after a click alone; the form that follows has the endpoint and the
keys that it gave. The service worker shows what comes.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from evently import mail, notifications, push
from evently.accounts import people
from evently.kit.errors import CommonRefusal, Refused
from evently.kit.ids import DeviceId, show_id
from evently.notifications import CHANNELS, REQUIRED, TOPICS, Choice
from evently.push import NewDevice
from evently.push.encrypting import AUTH_BYTES, decoded, read_device_key
from evently.push.endpoints import is_endpoint
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import FromPath, QueryParameter
from evently.web.pages.forms import Form, FormError, read_form
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_PATH: Final = "/me/notifications"
_SAVED: Final = {
    "yes": "Saved.",
    "on": "This device is on: it shows what you have chosen.",
    "off": "That device is off.",
}
_FIELDS: Final = {"email": "topic", "push": "push"}
_NO_DEVICE: Final = "Your browser gave an address that we cannot send to. Try again, or use another browser."


@show(_PATH, **policy(SIGNED_IN))
async def show_choices(
    request: Request, saved: Annotated[str, QueryParameter(max_length=10)] = ""
) -> Response[str]:
    """Return the form with the choices of the reader."""
    return await _choices(request, [], _SAVED.get(saved, ""))


@act(_PATH, **policy(SIGNED_IN))
async def choose(request: Request) -> Response[None]:
    """Store all choices of the form: a topic whose box is not set is refused, unless it is required."""
    form, context = await read_form(request), request.context
    async with context.database.transaction() as tx:
        for channel in CHANNELS:
            if channel == "push" and not context.push.on:
                continue  # its boxes were not there
            wanted = set() if form.text("only") == "necessary" else set(form.all(_FIELDS[channel]))
            for topic in TOPICS:
                if channel != "email" or topic not in REQUIRED:
                    choice = Choice(topic, channel, wanted=topic in wanted)
                    await notifications.choose(tx, request.actor.id, choice, context.clock())
    return see_other(f"{_PATH}?saved=yes")


@act("/me/devices", **policy(SIGNED_IN))
async def turn_on(request: Request) -> Response[None] | Response[str]:
    """Store the browser of the reader as a device that gets pushes."""
    form, context, actor = await read_form(request), request.context, request.actor
    if not context.push.on:
        raise Refused(CommonRefusal.NOT_FOUND)
    new = _read_device(form)
    if new is None:
        return await _choices(request, [FormError("devices", _NO_DEVICE)])
    assert actor.session_id is not None, "a person has a session"
    async with context.database.transaction() as tx:
        await push.add_device(tx, actor.id, actor.session_id, new, context.clock())
    return see_other(f"{_PATH}?saved=on")


@act("/me/devices/{device_id}/remove", **policy(SIGNED_IN))
async def turn_off(request: Request, device_id: FromPath[DeviceId]) -> Response[None]:
    """Delete a device of the reader."""
    await read_form(request)
    async with request.context.database.transaction() as tx:
        await push.remove_device(tx, request.actor.id, device_id)
    return see_other(f"{_PATH}?saved=off")


def _read_device(form: Form) -> NewDevice | None:
    """Return the device of a form; None for what no browser sends."""
    endpoint = form.text("endpoint")
    if not is_endpoint(endpoint):
        return None
    try:
        return NewDevice(
            endpoint, read_device_key(form.text("p256dh")), decoded(form.text("auth"), AUTH_BYTES)
        )
    except ValueError:
        return None


async def _choices(request: Request, errors: list[FormError], saved: str = "") -> Response[str]:
    context = request.context
    person = await people.get_person(context.database, request.actor.id)
    chosen = await notifications.list_choices(context.database, person.person_id)
    devices = await push.list_devices(context.database, person.person_id) if context.push.on else []
    values: dict[str, Any] = {
        "email": person.email,
        "sending": context.mail.on,
        "shown": context.mail.shows_mailbox,
        "bounce": person.email and await mail.find_bounce(context.database, person.email),
        "wanted": {(choice.topic, choice.channel): choice.wanted for choice in chosen},
        "required": REQUIRED,
        "saved": saved,
        "errors": errors,
        "push_key": await context.push.public_key() if context.push.on else None,
        "devices": [
            {
                "id": show_id("dev", each.device_id),
                "since": each.created_at,
                "here": each.session_id == request.actor.session_id,
            }
            for each in devices
        ],
    }
    return render(request, "notifications.html", status=422 if errors else 200, **values)


routes: Final = [show_choices, choose, turn_on, turn_off]
