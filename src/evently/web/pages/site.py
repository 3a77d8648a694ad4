"""What belongs to the site as a whole: the theme, the manifest, robots, the sitemap, accessibility."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec

from evently import catalogue
from evently.catalogue import EventSearch
from evently.sales.reads import list_sale_summaries
from evently.web.edge.assets import asset_address
from evently.web.edge.auth import PUBLIC, policy
from evently.web.edge.context import Response
from evently.web.edge.cookies import set_cookie
from evently.web.edge.memory import kept
from evently.web.edge.routing import get
from evently.web.pages.browsing import event_address
from evently.web.pages.forms import FormError, read_form
from evently.web.pages.rendering import THEMES, act, render_kept, safe_next, see_other, show
from evently.web.services import Request

_DAY: Final = "public, max-age=86400"
_HOUR: Final = "public, max-age=3600"
_POSTERS: Final = 12  # some of each drawing
_SITEMAP_MAX: Final = 5_000
_PAGE: Final = 500
_SITEMAP_SECONDS: Final = 600.0


@act("/theme", **policy(PUBLIC))
async def choose_theme(request: Request) -> Response[None]:
    """Keep the theme that a reader has chosen, and go back."""
    form = await read_form(request)
    if form.text("theme") in THEMES:
        set_cookie(request, "theme", form.text("theme"))
    return see_other(safe_next(form.text("next"), "/"))


@show("/accessibility", **policy(PUBLIC))
async def accessibility(request: Request) -> Response[bytes] | Response[None]:
    """Return the statement on accessibility."""

    async def read() -> dict[str, Any]:
        return {}

    return await render_kept(request, "accessibility", "accessibility.html", read)


@show("/styleguide", **policy(PUBLIC))
async def styleguide(request: Request) -> Response[bytes] | Response[None]:
    """Return a page with every part of the pages, in every state."""

    async def read() -> dict[str, Any]:
        errors = [FormError("email", "Enter an e-mail address such as name@example.org.")]
        return {"errors": errors, "posters": [UUID(int=number) for number in range(_POSTERS)]}

    return await render_kept(request, "styleguide", "styleguide.html", read)


@get("/manifest.webmanifest", include_in_schema=False, **policy(PUBLIC))
async def manifest(request: Request) -> Response[bytes]:  # noqa: ARG001
    """Return the manifest, with which a phone installs the site."""
    body = {
        "name": "Evently",
        "short_name": "Evently",
        "description": "Tickets, booked and in the hand",
        "start_url": "/me/tickets",
        "scope": "/",
        "display": "standalone",
        "background_color": "#faf9f7",
        "theme_color": "#faf9f7",
        "icons": [{"src": asset_address("icon.svg"), "sizes": "any", "type": "image/svg+xml"}],
    }
    return Response(
        msgspec.json.encode(body),
        headers={"cache-control": _DAY},
        media_type="application/manifest+json",
    )


@get("/robots.txt", include_in_schema=False, **policy(PUBLIC))
async def robots(request: Request) -> Response[str]:
    """Return what search engines may read: public pages, not those of one person."""
    public_url = request.context.options.public_url
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in ("/me", "/bookings", "/tickets", "/pay", "/v1")),
    ]
    if public_url:
        lines.append(f"Sitemap: {public_url}/sitemap.xml")
    return Response("\n".join(lines) + "\n", headers={"cache-control": _DAY}, media_type="text/plain")


@get("/sitemap.xml", include_in_schema=False, **policy(PUBLIC))
async def sitemap(request: Request) -> Response[bytes]:
    """Return the addresses of the events ahead, soonest first, at most 5,000."""

    async def make() -> Any:
        base, addresses, after = request.context.options.public_url, ["/", "/events"], None
        while len(addresses) < _SITEMAP_MAX:
            page = await catalogue.browse(
                request.context.database,
                list_sale_summaries,
                EventSearch(),
                request.context.clock(),
                _PAGE,
                after,
            )
            addresses += [event_address(card.event) for card in page.data]
            after = page.next_cursor
            if after is None:
                break
        rows = "".join(f"<url><loc>{base}{address}</loc></url>" for address in addresses)
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>'
            f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{rows}</urlset>'
        )
        return kept(text.encode(), _HOUR, seconds=_SITEMAP_SECONDS)

    found = await request.context.memory.get("sitemap", make)
    return Response(found.body, headers=found.headers, media_type="application/xml")


routes: Final = [choose_theme, accessibility, styleguide, manifest, robots, sitemap]
