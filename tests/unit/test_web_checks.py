"""Health checks as sentences."""

from __future__ import annotations

from datetime import timedelta

import pytest

from evently.db.examining import LogCopies
from evently.kit.clock import utc_now
from evently.web import checks
from evently.web.checks import HealthCheck


@pytest.mark.parametrize(
    ("name", "check", "sentence"),
    [
        ("clock", HealthCheck("pass", -0.04, "s"), "It differs from the database's by 0.0 seconds."),
        ("relay", HealthCheck("pass", 0.2, "s"), "Every fact is delivered."),
        ("relay", HealthCheck("warn", 119.0, "s"), "The oldest fact waits for 119 seconds."),
        ("mail", HealthCheck("pass", 0.0, "s"), "Nothing waits."),
        ("mail", HealthCheck("pass", "none", output="It is shown."), "It is shown."),
        (
            "mail",
            HealthCheck("warn", 179_272.172, "s", "The server is down."),
            "The oldest message waits for 2 days. The server is down.",
        ),
        ("webhooks", HealthCheck("pass", 0.0, "s", "None is registered."), "None is registered."),
        ("push", HealthCheck("warn", 7_200.0, "s", "Why."), "The oldest message waits for 2 hours. Why."),
        ("streams", HealthCheck("warn", 900, "streams", "At most 1000."), "900 streams. At most 1000."),
        ("gateway", HealthCheck("pass", "demo", output="It takes no money."), "It takes no money."),
        ("backups", HealthCheck("pass", 0.0, "s"), "The log of the database is archived."),
        ("backups", HealthCheck("warn", 300.0, "s", "It is full."), "It is full."),
    ],
)
def test_a_health_check_is_a_sentence(name: str, check: HealthCheck, sentence: str) -> None:
    assert checks._describe(name, check) == sentence


NOW = utc_now()
EARLIER, LATER = NOW - timedelta(minutes=5), NOW - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("copies", "status", "observed"),
    [
        (LogCopies(is_on=False, copied_at=EARLIER, failed_at=LATER), "pass", "none"),
        (LogCopies(is_on=True, copied_at=None, failed_at=None), "pass", 0.0),
        (LogCopies(is_on=True, copied_at=LATER, failed_at=EARLIER), "pass", 0.0),
        (LogCopies(is_on=True, copied_at=EARLIER, failed_at=LATER), "warn", 300.0),
        (LogCopies(is_on=True, copied_at=None, failed_at=LATER), "warn", 60.0),
    ],
)
def test_a_log_that_cannot_be_archived_is_a_warning(
    copies: LogCopies, status: str, observed: float | str
) -> None:
    check = checks._check_backups(copies, NOW)
    assert (check.status, check.observed) == (status, observed)
    assert bool(check.output) == (not copies.is_on or status == "warn")
