"""The dates of a series by a rule (RFC 5545, 3.3.10). Pure.

A rule has an end, by `COUNT` or `UNTIL`, and repeats by days, weeks, months or years: times of the day come
from the first date.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from dateutil.rrule import rrulestr

DATES_MAX: Final = 100  # of one rule
_AHEAD_MAX: Final = timedelta(days=366 * 5)
_DAY: Final = r"(?:MO|TU|WE|TH|FR|SA|SU)"
# Each part within bounds: a library that counts up to a date must not count far
_PARTS: Final = {
    "FREQ": r"DAILY|WEEKLY|MONTHLY|YEARLY",
    "INTERVAL": r"[1-9]\d?",
    "COUNT": r"[1-9]\d{0,2}",
    "UNTIL": r"\d{8}(?:T\d{6})?",
    "BYDAY": rf"(?:[+-]?[1-5])?{_DAY}(?:,(?:[+-]?[1-5])?{_DAY}){{0,6}}",
    "BYMONTHDAY": r"-?(?:[1-9]|[12]\d|3[01])(?:,-?(?:[1-9]|[12]\d|3[01])){0,30}",
    "BYMONTH": r"(?:[1-9]|1[0-2])(?:,(?:[1-9]|1[0-2])){0,11}",
    "BYSETPOS": r"-?[1-9](?:,-?[1-9]){0,4}",
    "WKST": _DAY,
}


class BadRuleError(ValueError):
    """A rule that cannot be read, or has no end."""


def dates_by(rule: str, first: datetime) -> list[datetime]:
    """Return the dates of a rule from the first date on, which is one of them; at most one more than allowed.

    `first` is a wall time, and so are the dates. Raises BadRuleError.
    """
    parts = _read(rule)
    if "FREQ" not in parts or ("COUNT" in parts) == ("UNTIL" in parts):
        raise BadRuleError(rule)
    if "BYSETPOS" in parts and not {"BYDAY", "BYMONTHDAY", "BYMONTH"} & parts.keys():
        raise BadRuleError(rule)
    count = int(parts.pop("COUNT", DATES_MAX + 1))
    last = first + _AHEAD_MAX
    if "UNTIL" in parts:
        last = min(last, _end(parts.pop("UNTIL")))
    given = ";".join(f"{name}={value}" for name, value in parts.items())
    try:
        found = rrulestr(f"RRULE:{given};UNTIL={last:%Y%m%dT%H%M%S}", dtstart=first)
    except ValueError as exc:  # parts that do not fit together
        raise BadRuleError(rule) from exc
    # The library leaves out a first date that the rule does not name; a count is one of all dates
    later = [date for date in found if date > first]
    return [first, *later][: min(count, DATES_MAX + 1)]


def _read(rule: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    for part in rule.strip().upper().removeprefix("RRULE:").rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if name in parts or name not in _PARTS or re.fullmatch(_PARTS[name], value) is None:
            raise BadRuleError(rule)
        parts[name] = value
    return parts


def _end(text: str) -> datetime:
    """Return the last instant at which a date can start: of a day, its end."""
    try:
        if "T" in text:
            return datetime.strptime(text, "%Y%m%dT%H%M%S")  # noqa: DTZ007 - a wall time
        return datetime.strptime(text, "%Y%m%d") + timedelta(days=1, seconds=-1)  # noqa: DTZ007
    except (ValueError, OverflowError) as exc:
        raise BadRuleError(text) from exc
