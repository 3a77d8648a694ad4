"""What organizers set about a sale: pools, ticket types, conditions, seats, promo codes; rehearsals."""

from evently.web.api.organizing import parts, promos, rehearsals, sandboxes, seat_blocks, selling

__all__ = ["routes"]

routes = [
    *parts.routes,
    *selling.routes,
    *seat_blocks.routes,
    *promos.routes,
    *rehearsals.routes,
    *sandboxes.routes,
]
