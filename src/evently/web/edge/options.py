"""The options of the edge. `config.py` fills them in."""

from __future__ import annotations

from typing import Final

import msgspec

from evently.web.edge.clients import X_FORWARDED_FOR

BODY_BYTES_MAX: Final = 256 * 1024  # a hundred ticket types with long descriptions are 60 KiB


class RateOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Requests per minute; 0 means no limit. `login` and `register` count per address.

    `suggestions`: what the seat map asks for while seats are chosen; it costs more than a read that is kept.
    `promo_codes`: bookings and quotes with a promo code; without a limit, codes could be guessed.
    """

    bookings: int = 120
    reads: int = 60_000
    writes: int = 600
    heavy: int = 60
    login: int = 60
    register: int = 20
    suggestions: int = 1_200
    promo_codes: int = 30
    store_url: str | None = None


class WebOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`public_url` has no slash at its end; empty means that URLs in responses are relative."""

    public_url: str = ""
    body_bytes_max: int = BODY_BYTES_MAX
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    client_header: str = X_FORWARDED_FOR  # in which these name their client
    monitoring_networks: tuple[str, ...] = ()  # empty: everybody may read metrics and health
    access_log: bool = True
    pretty_logs: bool = False
    heavy_reads_max: int = 2
    metrics_directory: str | None = None
    rehearsal_buyers_max: int = 5_000  # 0: organizers start no rehearsals
    rates: RateOptions = RateOptions()
