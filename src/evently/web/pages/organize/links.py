"""Addresses that organizers give to buyers: with the host, and as a QR code for posters."""

from __future__ import annotations

from uuid import UUID

import markupsafe

from evently.kit.ids import show_id
from evently.tickets import qr_svg
from evently.web.services import Request


def site_address(request: Request) -> str:
    """Return the address of this site, with its host."""
    public = request.context.options.public_url
    return public or f"{request.scope.get('scheme', 'http')}://{request.header('host')}"


def short_link(request: Request, event_id: UUID, via: str = "") -> str:
    """Return the shortest address of an event for buyers; `via`: from where they come."""
    return f"{site_address(request)}/events/{show_id('evt', event_id)}{f'?via={via}' if via else ''}"


def draw_link(link: str) -> markupsafe.Markup:
    """Return an address as a QR code."""
    return markupsafe.Markup(qr_svg(link, "QR code with the address of the event"))  # noqa: S704  # escaped
