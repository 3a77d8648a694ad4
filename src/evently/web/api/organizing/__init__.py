"""What organizers set about a sale: pools, ticket types, conditions, seating, promo codes; rehearsals."""

from evently.web.api.organizing import parts, promos, rehearsals, selling

__all__ = ["routes"]

routes = [*parts.routes, *selling.routes, *promos.routes, *rehearsals.routes]
