"""Analytics for organizers and administrators: sales reports, one event in detail, exports."""

from evently.web.api.analytics import details, exports, reports

__all__ = ["routes"]

routes = [*reports.routes, *details.routes, *exports.routes]
