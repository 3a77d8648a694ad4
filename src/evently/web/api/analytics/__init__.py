"""Analytics for organizers and administrators: reports, money statements, one event in detail, exports."""

from evently.web.api.analytics import details, evening, exports, reports, statements

__all__ = ["routes"]

routes = [*reports.routes, *details.routes, *evening.routes, *exports.routes, *statements.routes]
