"""What the catalogue refuses, and the rules about venues and events. Limits stand in the types (`nouns`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from evently.catalogue.local_time import Moment, instant_of, is_within_reach, time_zones, wall_time_of
from evently.catalogue.nouns import (
    EVENT_AHEAD_MAX,
    EVENT_DURATION_MAX,
    URL_CHARACTERS_MAX,
    EventTerms,
    VenueTerms,
)
from evently.catalogue.words import slug_of
from evently.kit.complaints import Complaints
from evently.kit.errors import Refusal
from evently.pictures import digest_in

_NOT_IN_URL: Final = re.compile(r"[^!-~]|[\"<>\\^`{|}]")  # RFC 3986, 2: what must be percent-encoded
_MONTHS: Final = tuple(timedelta(days=30 * month) for month in range(12))


class CatalogueRefusal(Refusal):
    """Why the catalogue refuses a request."""

    NOT_A_DRAFT = "not-a-draft"
    STILL_A_DRAFT = "still-a-draft"
    STARTED_ALREADY = "started-already"
    VENUE_IN_USE = "venue-in-use"


@cache
def countries() -> Mapping[str, str]:
    """Return the names of countries by their codes of ISO 3166-1 alpha-2, as the IANA database has them."""
    return {row[0]: row[1] for row in _read_table("iso3166.tab")}


@cache
def zones_of_countries() -> Mapping[str, tuple[str, ...]]:
    """Return the time zones of each country, as the IANA time zone database lists them."""
    found: dict[str, tuple[str, ...]] = {}
    for code, _, zone, *_ in _read_table("zone.tab"):
        found[code] = (*found.get(code, ()), zone)
    return found


def zone_of_city(country: str, city: str, now: datetime) -> str | None:
    """Return the time zone of a city, if its country leaves no choice.

    The country has one zone, or one that is named like the city, or all its clocks show the same for a year.
    """
    zones = zones_of_countries().get(country, ())
    for zone in zones:
        if slug_of(zone.rpartition("/")[2].replace("_", " ")) == slug_of(city):
            return zone
    clocks = {
        tuple((now + month).astimezone(ZoneInfo(zone)).utcoffset() for month in _MONTHS) for zone in zones
    }
    return zones[0] if len(clocks) == 1 else None


def _read_table(name: str) -> list[list[str]]:
    lines = files("tzdata.zoneinfo").joinpath(name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("#")]


def check_venue(complaints: Complaints, terms: VenueTerms) -> None:
    """Note the rules that a venue breaks; `VenueTerms` has the limits."""
    if terms.city.strip() and not slug_of(terms.city):
        complaints.about("/city", "no-letter-or-digit")
    if terms.country not in countries():
        complaints.about("/country", "not-a-country")
    if terms.time_zone not in time_zones():
        complaints.about("/time_zone", "not-a-time-zone")


def check_event(complaints: Complaints, terms: EventTerms) -> None:
    """Note the rules that an event breaks; `check_times` has those of its times, which need the venue."""
    for index, tag in enumerate(terms.tags):
        if tag.strip() and not slug_of(tag):
            complaints.about(f"/tags/{index}", "no-letter-or-digit")
    if terms.image_url is not None and not _is_image_url(terms.image_url):
        complaints.about(
            "/image_url",
            "not-an-address",
            characters_max=URL_CHARACTERS_MAX,
        )
    for field in ("starts_at", "ends_at"):
        if getattr(terms, field) is not None and getattr(terms, f"{field}_local") is not None:
            complaints.about(f"/{field}", "time-given-twice", field=field)


def check_times(
    complaints: Complaints, terms: EventTerms, zone: ZoneInfo, now: datetime, *, in_future: bool = True
) -> tuple[datetime, datetime] | None:
    """Return start and end as instants, or note what is wrong with them. `in_future`: the start must be."""
    ends = terms.end
    complained = len(complaints.errors)
    starts_at = check_start(complaints, terms, zone, now, in_future=in_future)
    ends_at = _check_moment(complaints, "/ends_at", ends, zone, now)
    if starts_at is None or ends_at is None:
        return None
    if ends_at <= starts_at:
        complaints.about(pointer_of("/ends_at", ends), "not-after-the-start")
    if wall_time_of(ends_at, zone) - wall_time_of(starts_at, zone) > EVENT_DURATION_MAX:
        complaints.about(
            pointer_of("/ends_at", ends), "too-long-after-the-start", days_max=EVENT_DURATION_MAX.days
        )
    return (starts_at, ends_at) if len(complaints.errors) == complained else None


def check_start(
    complaints: Complaints, terms: EventTerms, zone: ZoneInfo, now: datetime, *, in_future: bool = True
) -> datetime | None:
    """Return the start as an instant, or None; note what is wrong with it. `in_future`: it must be."""
    starts_at = _check_moment(complaints, "/starts_at", terms.start, zone, now)
    if starts_at is not None and in_future and starts_at <= now:
        complaints.about(pointer_of("/starts_at", terms.start), "not-in-the-future")
    return starts_at


def check_names_until(complaints: Complaints, terms: EventTerms, ends_at: datetime) -> None:
    """Note whether the instant until which names can be changed is out of reach or after the event."""
    until = terms.names_until
    if until is None:
        return
    if not is_within_reach(until):
        complaints.about("/names_until", "too-far-away")
    elif until > ends_at:
        complaints.about("/names_until", "after-the-event")


def pointer_of(pointer: str, moment: Moment | None) -> str:
    """Return the field in which a moment was given: wall times have fields of their own."""
    return pointer if moment is None or moment.tzinfo is not None else f"{pointer}_local"


def _check_moment(
    complaints: Complaints, field: str, moment: Moment | None, zone: ZoneInfo, now: datetime
) -> datetime | None:
    pointer = pointer_of(field, moment)
    if moment is None:
        complaints.about(
            pointer,
            "time-missing",
        )
        return None
    if not is_within_reach(moment):
        complaints.about(pointer, "too-far-away")
        return None
    instant = instant_of(moment, zone)
    if instant is None:
        complaints.about(pointer, "time-skipped", time_zone=zone.key)
    elif instant > now + EVENT_AHEAD_MAX:
        complaints.about(pointer, "too-far-away")
    return instant


def _is_image_url(text: str) -> bool:
    if digest_in(text) is not None:
        return True
    if len(text) > URL_CHARACTERS_MAX or _NOT_IN_URL.search(text):
        return False
    try:
        parts = urlsplit(text)
        return (
            parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:  # not a host, or not a port
        return False
