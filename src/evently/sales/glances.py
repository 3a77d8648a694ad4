"""Glances: what a process remembers of a sale for a moment, to show it, and to refuse what is sold out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from evently.sales.reads.on_sale import public_types
from evently.sales.rules.state import Sale
from evently.sales.states import SaleState
from evently.sales.terms import TicketTypeTerms

# How long a process may refuse from memory: too short for a person to notice, long enough to relieve the
# database
GLANCE_SECONDS: Final = 0.25


class Glance(NamedTuple):
    """What a process remembers of a sale: true when it was taken, and kept for `GLANCE_SECONDS`."""

    seq: int
    state: SaleState
    on_sale_at: datetime
    off_sale_at: datetime
    types: Sequence[TicketTypeTerms]  # neither retired nor hidden
    available: Mapping[UUID, int]  # units by ticket type, of the same ones
    releases: Mapping[UUID, datetime]  # by ticket type: from then on, more units may be available

    @property
    def next_release_at(self) -> datetime | None:
        """Return the first instant at which more units may be available without a command."""
        return min(self.releases.values(), default=None)

    @classmethod
    def of(cls, sale: Sale, types: Sequence[TicketTypeTerms], now: datetime) -> Glance:
        """Return the glance of a sale; `types` are the ticket types that everybody sees."""
        return cls(
            sale.seq,
            sale.state,
            sale.on_sale_at,
            sale.off_sale_at,
            types,
            {terms.ticket_type_id: sale.available_at(terms, now) for terms in types},
            sale.next_releases(types),
        )

    @classmethod
    def of_sale(cls, sale: Sale, now: datetime) -> Glance:
        """Return the glance of a sale with the ticket types that everybody sees."""
        return cls.of(sale, public_types(sale), now)
