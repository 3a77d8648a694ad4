"""What the catalogue refuses, and the checks that find every wrong field at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from evently.catalogue.local_time import Moment, instant_of, is_within_reach, time_zones
from evently.catalogue.nouns import (
    ADDRESS_CHARACTERS_MAX,
    CITY_CHARACTERS_MAX,
    DESCRIPTION_CHARACTERS_MAX,
    EVENT_AHEAD_MAX,
    EVENT_DURATION_MAX,
    NAME_CHARACTERS_MAX,
    TAG_CHARACTERS_MAX,
    TAGS_MAX,
    URL_CHARACTERS_MAX,
    EventTerms,
    VenueTerms,
)
from evently.catalogue.words import slug_of
from evently.kit.errors import FieldError, Invalid, Refusal

# Control characters, of which a text of several lines may hold three: tabulator, line feed, carriage return.
# PostgreSQL stores no NUL.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NOT_IN_URL: Final = re.compile(r"[^!-~]|[\"<>\\^`{|}]")  # RFC 3986, 2: what must be percent-encoded


class CatalogueRefusal(Refusal):
    """Every expected no about venues and events."""

    NOT_A_DRAFT = "not-a-draft"
    STILL_A_DRAFT = "still-a-draft"
    STARTED_ALREADY = "started-already"
    ENDED_ALREADY = "ended-already"
    VENUE_IN_USE = "venue-in-use"


class Complaints:
    """Collects what is wrong with a request: `about` each field, then `refuse_if_any`."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def about(self, pointer: str, detail: str) -> None:
        """Note one wrong field."""
        self.errors.append(FieldError(pointer, detail))

    def about_text(
        self, pointer: str, text: str, characters_max: int, *, lines: bool = False, blank: bool = False
    ) -> None:
        """Note what is wrong with a text: blank (unless it may be), too long, or with characters that nobody can read."""
        if not blank and not text.strip():
            self.about(pointer, "Must not be blank.")
        if len(text) > characters_max:
            self.about(pointer, f"Must have at most {characters_max} characters.")
        if (_CONTROL_IN_LINES if lines else _CONTROL).search(text):
            self.about(pointer, "Must not contain control characters.")

    def about_number(self, pointer: str, number: int | None, smallest: int, largest: int) -> None:
        """Note that a number is out of its range."""
        if number is not None and not smallest <= number <= largest:
            self.about(pointer, f"Must be from {smallest} to {largest}.")

    def refuse_if_any(self) -> None:
        """Refuse with everything that was noted."""
        if self.errors:
            raise Invalid(self.errors)


@cache
def countries() -> frozenset[str]:
    """Return the codes of ISO 3166-1 alpha-2, as the IANA time zone database lists them."""
    lines = files("tzdata.zoneinfo").joinpath("iso3166.tab").read_text(encoding="utf-8").splitlines()
    return frozenset(line[:2] for line in lines if not line.startswith("#"))


def check_venue(complaints: Complaints, terms: VenueTerms) -> None:
    """Note what is wrong with a venue."""
    complaints.about_text("/name", terms.name, NAME_CHARACTERS_MAX)
    complaints.about_text("/address", terms.address, ADDRESS_CHARACTERS_MAX, lines=True)
    complaints.about_text("/city", terms.city, CITY_CHARACTERS_MAX)
    if terms.city.strip() and not slug_of(terms.city):
        complaints.about("/city", "Must have a letter or a digit.")
    if terms.country not in countries():
        complaints.about("/country", "Must be a country code of ISO 3166-1 alpha-2, such as DE.")
    if terms.time_zone not in time_zones():
        complaints.about("/time_zone", "Must be a time zone of the IANA database, such as Europe/Berlin.")


def check_event(complaints: Complaints, terms: EventTerms) -> None:
    """Note what is wrong with an event, its times aside: those need the venue."""
    complaints.about_text("/title", terms.title, NAME_CHARACTERS_MAX)
    complaints.about_text(
        "/description", terms.description, DESCRIPTION_CHARACTERS_MAX, lines=True, blank=True
    )
    _check_tags(complaints, terms.tags)
    if terms.image_url is not None and not _is_image_url(terms.image_url):
        complaints.about(
            "/image_url",
            f"Must be an https:// address of at most {URL_CHARACTERS_MAX} characters, without a user.",
        )


def check_times(
    complaints: Complaints,
    starts: Moment | None,
    ends: Moment | None,
    zone: ZoneInfo,
    now: datetime,
    *,
    in_future: bool = True,
) -> tuple[datetime, datetime] | None:
    """Return start and end as instants, or note what is wrong with them. `in_future`: the start must be."""
    complained = len(complaints.errors)
    starts_at = _check_moment(complaints, "/starts_at", starts, zone, now)
    ends_at = _check_moment(complaints, "/ends_at", ends, zone, now)
    if starts_at is not None and in_future and starts_at <= now:
        complaints.about(pointer_of("/starts_at", starts), "Must be in the future.")
    if starts_at is None or ends_at is None:
        return None
    if ends_at <= starts_at:
        complaints.about(pointer_of("/ends_at", ends), "Must be after the start.")
    if ends_at - starts_at > EVENT_DURATION_MAX:
        complaints.about(
            pointer_of("/ends_at", ends), f"Must be at most {EVENT_DURATION_MAX.days} days after the start."
        )
    return (starts_at, ends_at) if len(complaints.errors) == complained else None


def pointer_of(pointer: str, moment: Moment | None) -> str:
    """Return where in a request a moment was given: wall times have fields of their own."""
    return pointer if moment is None or moment.tzinfo is not None else f"{pointer}_local"


def _check_moment(
    complaints: Complaints, field: str, moment: Moment | None, zone: ZoneInfo, now: datetime
) -> datetime | None:
    pointer = pointer_of(field, moment)
    if moment is None:
        complaints.about(
            pointer,
            "Missing: give the instant here, or the time on the clocks at the venue in the field that ends in _local.",
        )
        return None
    if not is_within_reach(moment):
        complaints.about(pointer, "Is too far away.")
        return None
    instant = instant_of(moment, zone)
    if instant is None:
        complaints.about(pointer, f"Does not exist in {zone.key}: the clocks go forward over it.")
    elif instant > now + EVENT_AHEAD_MAX:
        complaints.about(pointer, "Is too far away.")
    return instant


def _check_tags(complaints: Complaints, tags: Sequence[str]) -> None:
    if len(tags) > TAGS_MAX:
        complaints.about("/tags", f"Must have at most {TAGS_MAX} items.")
    for place, tag in enumerate(tags):
        complaints.about_text(f"/tags/{place}", tag, TAG_CHARACTERS_MAX)
        if tag.strip() and not slug_of(tag):
            complaints.about(f"/tags/{place}", "Must have a letter or a digit.")


def _is_image_url(text: str) -> bool:
    if len(text) > URL_CHARACTERS_MAX or _NOT_IN_URL.search(text):
        return False
    try:
        parts = urlsplit(text)
        return (
            parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
        )
    except ValueError:  # a host or a port that cannot be
        return False
