"""Analytics for organizers and administrators: sales reports, one event in detail, exports."""

from evently.web.api.analytics import details, evening, exports, reports

__all__ = ["routes"]

routes = [*reports.routes, *details.routes, *evening.routes, *exports.routes]
