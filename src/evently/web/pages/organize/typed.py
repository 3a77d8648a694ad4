"""What organizers type into forms: days, times of day, prices, shares, numbers. Everything wrong is noted.

Accepted is what is meant: `8 pm` and `20:00`, `29,90` and `29.90`, `7.5 %`. Times are on the clocks at the
venue.

    Typed           reads a form; `errors` has every wrong field
    errors_at       the errors of a refusal at the fields of a form
    read_reason     why something is cancelled
    same_version         an edit is refused when another editor was first
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from evently.catalogue import Seen
from evently.catalogue.local_time import instant_of, wall_time_of
from evently.kit.complaints import refuse_wrong
from evently.kit.errors import CommonRefusal, Invalid, Refused
from evently.kit.money import AMOUNT_MINOR_MAX, Money, exponent_of
from evently.sales.terms import WHOLE, CancellationReason
from evently.web.pages.forms import Form, FormError, errors_of

_CLOCK: Final = re.compile(r"(\d{1,2})(?:[:.h]?(\d{2}))?\s*h?\s*(am|pm|a\.m\.|p\.m\.)?", re.IGNORECASE)
_AMOUNT: Final = re.compile(r"([0-9]{1,10})(?:[.,]([0-9]{1,3}))?")
_SHARE: Final = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?\s*%?")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_SEPARATOR: Final = re.compile(r"(?<=\d)[ ,.'\u00a0\u202f](?=\d{3}\b)")
_HOURS: Final = 24
_MINUTES: Final = 60
_SPAN: Final = re.compile(r"([0-9]{1,6})\s*(h|hours?|d|days?|w|weeks?)?", re.IGNORECASE)
_HOURS_OF: Final = {"h": 1, "d": _HOURS, "w": 7 * _HOURS}
_NOON: Final = 12
_VERSION_MAX: Final = 12  # digits


class WhyCancelled(msgspec.Struct, frozen=True):
    """Why an organizer cancels."""

    reason: CancellationReason | None


class Typed:
    """A form that was sent. What is wrong with it is collected, each error at the id of its field."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self.errors: list[FormError] = []

    def wrong(self, field: str, text: str) -> None:
        """Note what is wrong with a field; only the first error of a field counts."""
        if all(error.field != field for error in self.errors):
            self.errors.append(FormError(field, text))

    def day(self, field: str) -> date | None:
        """Return a day; None if nothing was typed, or no day."""
        typed = self.form.text(field)
        if not typed:
            return None
        try:
            return date.fromisoformat(typed)
        except ValueError:
            self.wrong(field, "Enter a day such as 2027-05-20.")
            return None

    def clock(self, field: str) -> time | None:
        """Return a time of day; None if nothing was typed, or none."""
        typed = self.form.text(field)
        if not typed:
            return None
        found = read_clock(typed)
        if found is None:
            self.wrong(field, "Enter a time such as 20:00 or 8 pm.")
        return found

    def moment(self, field: str, *, required: str = "") -> datetime | None:
        """Return the wall time of the fields `{field}_day` and `{field}_clock`; `required`: what to say."""
        before = len(self.errors)
        day, clock = self.day(f"{field}_day"), self.clock(f"{field}_clock")
        if len(self.errors) > before:
            return None
        if day is None and clock is None:
            if required:
                self.wrong(f"{field}_day", required)
            return None
        if day is None:
            self.wrong(f"{field}_day", required or "Enter the day, too.")
            return None
        if clock is None:
            self.wrong(f"{field}_clock", "Enter the time, too.")
            return None
        return datetime.combine(day, clock)

    def instant(self, field: str, zone: ZoneInfo, before: datetime | None = None) -> datetime | None:
        """Return the instant of a wall time in a zone, or None.

        `before`: what the form showed. Untouched it stays exactly that: with its seconds, and of a time that
        clocks show twice, the one that was meant.
        """
        if before is not None and all(
            self.form.text(name) == value for name, value in show_moment(field, before, zone).items()
        ):
            return before
        moment = self.moment(field)
        if moment is None:
            return None
        found = instant_of(moment, zone) if _is_ordinary(moment) else None
        if found is None:
            self.wrong(f"{field}_clock", "This time does not exist there: the clocks go forward over it.")
        return found

    def price(self, field: str, currency: str) -> Money | None:
        """Return an amount; None if nothing was typed, or no amount."""
        typed = self.form.text(field)
        if not typed:
            return None
        found = read_amount(typed, currency)
        if found is None:
            decimals = exponent_of(currency)
            self.wrong(field, f"Enter an amount such as {'29.90' if decimals else '3000'} in {currency}.")
        return found

    def number(self, field: str) -> int | None:
        """Return a whole number; None if nothing was typed, or none."""
        typed = _SEPARATOR.sub("", self.form.text(field))
        if not typed:
            return None
        if not _NUMBER.fullmatch(typed):
            self.wrong(field, "Enter a whole number.")
            return None
        return int(typed)

    def span(self, field: str) -> int | None:
        """Return hours, typed as `36`, `36 hours`, `14 days` or `2 weeks`; None if nothing, or no time."""
        typed = self.form.text(field)
        if not typed:
            return None
        found = _SPAN.fullmatch(typed)
        if found is None:
            self.wrong(field, "Enter days or hours, such as 14 days or 36 hours.")
            return None
        return int(found[1]) * _HOURS_OF[(found[2] or "h")[0].lower()]

    def share(self, field: str) -> int | None:
        """Return a percentage in basis points; None if nothing was typed, or none."""
        typed = self.form.text(field)
        if not typed:
            return None
        found = _SHARE.fullmatch(typed)
        value = None if found is None else int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
        if value is None or value > WHOLE:
            self.wrong(field, "Enter a percentage from 0 to 100, such as 7.5.")
            return None
        return value


def read_clock(typed: str) -> time | None:
    """Return a time of day: `20:00`, `20.00`, `20`, `20h`, `8 pm`, `8:30pm`."""
    found = _CLOCK.fullmatch(typed.strip())
    if found is None:
        return None
    hours, minutes = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hours <= _NOON:
            return None
        hours = hours % _NOON + (_NOON if found[3][0] in "pP" else 0)
    return time(hours, minutes) if hours < _HOURS and minutes < _MINUTES else None


def read_amount(typed: str, currency: str) -> Money | None:
    """Return an amount of a currency: `30`, `29.90`, `29,90`, `€ 29.90`; None if it is none."""
    found = _AMOUNT.fullmatch(typed.strip().strip("€£$¥").removesuffix(currency).strip())
    if found is None:
        return None
    decimals, rest = exponent_of(currency), found[2] or ""
    if len(rest) > decimals:
        return None
    minor = int(found[1]) * 10**decimals + int(rest.ljust(decimals, "0") or 0)
    return Money(minor, currency) if minor <= AMOUNT_MINOR_MAX else None


def show_hours(hours: int) -> str:
    """Return hours as they are typed: `14 days`, `36 hours`; `0` alone."""
    if hours == 0:
        return "0"
    number, unit = divmod(hours, _HOURS)
    number, unit_name = (number, "day") if unit == 0 else (hours, "hour")
    return f"{number} {unit_name}" if number == 1 else f"{number} {unit_name}s"


def show_share(basis_points: int) -> str:
    """Return basis points as they are typed: `7.5`."""
    return f"{basis_points / 100:g}"


def show_moment(field: str, instant: datetime | None, zone: ZoneInfo) -> dict[str, str]:
    """Return the two fields of a moment, as they are typed."""
    if instant is None:
        return {f"{field}_day": "", f"{field}_clock": ""}
    local = wall_time_of(instant, zone)
    return {f"{field}_day": f"{local:%Y-%m-%d}", f"{field}_clock": f"{local:%H:%M}"}


def after_start(starts: datetime, clock: time) -> datetime:
    """Return the first moment after a start at which clocks show a time."""
    ends = datetime.combine(starts.date(), clock)
    return ends if ends > starts else ends + timedelta(days=1)


def errors_at(exc: Invalid, fields: Mapping[str, str], otherwise: str = "main") -> list[FormError]:
    """Return the errors of a refusal, one for each field; `fields` maps pointers, or their beginnings."""
    found: dict[str, FormError] = {}
    for error in exc.errors:
        pointer = error.pointer
        while pointer and pointer not in fields:
            pointer = pointer.rpartition("/")[0]
        field = fields.get(pointer, otherwise)
        text = error.detail
        found.setdefault(field, FormError(field, text[0].upper() + text[1:]))
    return list(found.values())


def same_version(form: Form, name: str = "version") -> Seen:
    """Return the check that an edit is of the version in the form, as `If-Match` is for the API."""
    given = form.text(name)

    def seen(version: int) -> None:
        if given != str(version):
            raise Refused(
                CommonRefusal.STALE, "other_version", given=given[:_VERSION_MAX], current_etag=f'"{version}"'
            )

    return seen


def _is_ordinary(moment: datetime) -> bool:
    """Return whether calculations with a moment cannot overflow."""
    return datetime(1970, 1, 3) <= moment <= datetime(8999, 12, 29)  # noqa: DTZ001  # wall times


def read_reason(form: Form) -> tuple[str, list[FormError]]:
    """Return why something is cancelled, as one paragraph, and what is wrong with it."""
    reason = " ".join(form.text("reason").split())
    try:
        refuse_wrong(WhyCancelled(reason or None))
    except Invalid as exc:
        return reason, errors_of(exc, {"/reason": "reason"})
    return reason, []
