"""Sale windows and other spans of time that organizers set. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from evently.catalogue import is_within_reach
from evently.kit.complaints import Complaints


def check_window(
    complaints: Complaints, pointer: str, on_sale_at: datetime | None, off_sale_at: datetime | None
) -> None:
    """Note what is wrong with a sale window. None: this end is open."""
    check_span(complaints, pointer, on_sale_at=on_sale_at, off_sale_at=off_sale_at)


def check_span(complaints: Complaints, pointer: str, **ends: datetime | None) -> None:
    """Note what is wrong with the two ends of a span, given by their fields. None: this end is open."""
    (first_field, first), (last_field, last) = ends.items()
    for field, moment in ends.items():
        if moment is not None and not is_within_reach(moment):
            complaints.about(f"{pointer}/{field}", "too-far-away")
    if first is not None and last is not None and last <= first:
        complaints.about(f"{pointer}/{last_field}", "not-after", field=first_field)


def utc(moment: datetime | None) -> datetime | None:
    """Return an instant in UTC."""
    return None if moment is None else moment.astimezone(UTC)
