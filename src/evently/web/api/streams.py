"""Describes the streams as AsyncAPI 3, from the shapes of their messages."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from evently import __version__
from evently.realtime import Changes, End, Snapshot

_MESSAGES: Final = (Snapshot, Changes, End)
_CHANNEL: Final = "eventStream"
_EXAMPLE: Final = "evt_01m7y4ef72ev2sxmcnxfse27zp"
_REFERENCE: Final = "#/components/schemas/{name}"


def describe_streams(public_url: str = "") -> dict[str, Any]:
    """Return the AsyncAPI document."""
    schemas, components = msgspec.json.schema_components(_MESSAGES, ref_template=_REFERENCE)
    names = [shape.__name__ for shape in _MESSAGES]
    channel = {"$ref": f"#/channels/{_CHANNEL}"}
    found: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Evently",
            "version": __version__,
            "description": (
                "What changes about an event, as server-sent events (WHATWG HTML, 9.2). Each message is one "
                "event of the stream: its name is that of the message, its id the journal row `seq`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            _CHANNEL: {
                "address": "/v1/events/{event_id}/stream",
                "title": "The stream of an event",
                "description": "A response to `GET` of the type `text/event-stream` that stays open.",
                "parameters": {"event_id": {"description": "The id of the event.", "examples": [_EXAMPLE]}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
        },
        "operations": {
            "streamEvent": {
                "action": "send",
                "channel": channel,
                "summary": "Send a snapshot, then what changes, then the end",
                "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{name}"} for name in names],
            }
        },
        "components": {
            "schemas": dict(sorted(components.items())),
            "messages": {
                name: {
                    "name": str(shape.__struct_config__.tag),
                    "title": name,
                    "summary": (shape.__doc__ or "").split("\n")[0],
                    "payload": schema,
                }
                for name, shape, schema in zip(names, _MESSAGES, schemas, strict=True)
            },
        },
    }
    if public_url:
        parts = urlsplit(public_url)
        server = {"host": parts.netloc, "protocol": parts.scheme}
        found["servers"] = {"evently": server | ({"pathname": parts.path} if parts.path else {})}
    return found
