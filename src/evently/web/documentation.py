"""The OpenAPI document, the AsyncAPI document and the Postman collection as text.

`evently openapi` prints them; docs/ has a copy, so that a change of the API is reviewed.
"""

from __future__ import annotations

import json

from evently.web.api.streams import describe_streams
from evently.web.api.webhooks import list_messages
from evently.web.application import all_routes
from evently.web.collection import WALK
from evently.web.edge.openapi import Json, describe
from evently.web.edge.postman import collect


def openapi_json() -> str:
    """Return the OpenAPI document."""
    return _text(_document())


def asyncapi_json() -> str:
    """Return the AsyncAPI document."""
    return _text(describe_streams())


def postman_json() -> str:
    """Return the Postman collection."""
    return _text(collect(_document(), WALK))


def _document() -> Json:
    return describe(all_routes(), messages=list_messages())


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
