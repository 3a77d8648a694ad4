"""HTML responses, rendered from the templates in `web/templates`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import jinja2

from evently.web.edge.context import Response

_HTML: Final = "text/html; charset=utf-8"
_templates: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("evently.web"), autoescape=True, undefined=jinja2.StrictUndefined
)


def render(template: str, headers: Mapping[str, str], **values: object) -> Response[str]:
    """Return a page rendered from a template."""
    return Response(_templates.get_template(template).render(**values), headers=headers, media_type=_HTML)
