"""The refusals of the edge itself."""

from __future__ import annotations

from evently.kit.errors import Refusal


class EdgeRefusal(Refusal):
    """Refusals of requests, whatever they ask for."""

    MALFORMED = "malformed"
    UNAUTHENTICATED = "unauthenticated"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REASON_NEEDED = "reason-needed"
    CROSS_SITE = "cross-site"
    ORIGIN_NOT_ALLOWED = "origin-not-allowed"
    TOO_SLOW = "request-timeout"
    TOO_LARGE = "too-large"
    ADDRESS_TOO_LONG = "address-too-long"
    HEADERS_TOO_LONG = "headers-too-long"
    MEDIA_TYPE = "unsupported-media-type"
    IF_MATCH_MISSING = "if-match-missing"
    RATE_LIMITED = "rate-limited"
    INTERNAL = "internal-error"
    BUSY = "busy"
    DATABASE_UNAVAILABLE = "database-unavailable"
    WRONG_CLOCK = "wrong-clock"
    OUTCOME_UNKNOWN = "outcome-unknown"
    COMMITS_WAIT = "commits-wait"
    UNAVAILABLE = "unavailable"
