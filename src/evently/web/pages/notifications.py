"""What a person is told by e-mail: the topics with a check box each, and whether the address works."""

from __future__ import annotations

from typing import Annotated, Any, Final

from evently import mail, notifications
from evently.accounts import people
from evently.notifications import REQUIRED, TOPICS, Choice
from evently.web.edge.auth import SIGNED_IN, policy
from evently.web.edge.context import Response
from evently.web.edge.routing import QueryParameter
from evently.web.pages.forms import read_form
from evently.web.pages.rendering import act, render, see_other, show
from evently.web.services import Request

_PATH: Final = "/me/notifications"


@show(_PATH, **policy(SIGNED_IN))
async def show_choices(
    request: Request, saved: Annotated[str, QueryParameter(max_length=10)] = ""
) -> Response[str]:
    """Return the form with the choices of the reader."""
    context = request.context
    person = await people.get_person(context.database, request.actor.id)
    chosen = await notifications.list_choices(context.database, person.person_id)
    values: dict[str, Any] = {
        "email": person.email,
        "sending": context.mail.on,
        "shown": context.mail.shows_mailbox,
        "bounce": person.email and await mail.find_bounce(context.database, person.email),
        "wanted": {choice.topic: choice.wanted for choice in chosen},
        "required": REQUIRED,
        "saved": bool(saved),
    }
    return render(request, "notifications.html", **values)


@act(_PATH, **policy(SIGNED_IN))
async def choose(request: Request) -> Response[None]:
    """Store all choices of the form: a topic whose box is not set is refused, unless it is required."""
    wanted, context = set((await read_form(request)).all("topic")), request.context
    async with context.database.transaction() as tx:
        for topic in TOPICS:
            if topic not in REQUIRED:
                choice = Choice(topic, "email", wanted=topic in wanted)
                await notifications.choose(tx, request.actor.id, choice, context.clock())
    return see_other(f"{_PATH}?saved=yes")


routes: Final = [show_choices, choose]
