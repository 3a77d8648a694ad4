"""Check-in at the door of an event, as JSON: scans, the list for devices without a network, scanners."""

from __future__ import annotations

from typing import Final

from evently.web.api.checkin import lists, scanners, scans

routes: Final = [*scans.routes, *lists.routes, *scanners.routes]
