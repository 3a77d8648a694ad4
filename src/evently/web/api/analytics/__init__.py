"""What was sold, for those who sell it: reports over a range, one event in detail, exports."""

from evently.web.api.analytics import details, reports

__all__ = ["routes"]

routes = [*reports.routes, *details.routes]
