"""Describes streams and webhooks as AsyncAPI 3, from the shapes of their messages; see docs/live.md."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from evently import __version__
from evently.realtime import Changes, End, Ping, Snapshot
from evently.webhooks import ALL_KINDS, MESSAGES

_MESSAGES: Final = (Snapshot, Changes, Ping, End)
_CHANNEL: Final = "eventStream"
_WEBHOOKS: Final = "webhooks"
_SIGNATURE: Final = {
    "type": "object",
    "required": ["webhook-id", "webhook-timestamp", "webhook-signature"],
    "properties": {
        "webhook-id": {"type": "string"},
        "webhook-timestamp": {"type": "string"},
        "webhook-signature": {"type": "string"},
    },
}
_EXAMPLE: Final = "evt_01m7y4ef72ev2sxmcnxfse27zp"
_REFERENCE: Final = "#/components/schemas/{name}"
_QUERY: Final = {
    "type": "object",
    "properties": {
        "since": {
            "type": "integer",
            "minimum": 0,
            "description": "The `seq` of your last message. The first one then has what changed since.",
        },
        "seats": {
            "type": "boolean",
            "default": True,
            "description": "Whether to send the states of seats.",
        },
    },
    "additionalProperties": False,
}


def _add_webhooks(document: dict[str, Any]) -> None:
    """Add the channel on which webhooks get messages: its address is what the organizer registered."""
    schemas, components = msgspec.json.schema_components(MESSAGES.values(), ref_template=_REFERENCE)
    names = [shape.__name__ for shape in MESSAGES.values()]
    references = [{"$ref": f"#/channels/{_WEBHOOKS}/messages/{name}"} for name in names]
    document["channels"][_WEBHOOKS] = {
        "address": None,
        "title": "The webhooks of an organizer",
        "description": (
            "Each message is a `POST` to the address that the organizer registered, signed as Standard "
            "Webhooks says: at least once, in order within one event."
        ),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    document["operations"]["sendWebhook"] = {
        "action": "send",
        "channel": {"$ref": f"#/channels/{_WEBHOOKS}"},
        "summary": "Send a message about a fact",
        "bindings": {"http": {"method": "POST", "bindingVersion": "0.3.0"}},
        "messages": references,
    }
    document["components"]["schemas"] |= dict(sorted(components.items()))
    document["components"]["messages"] |= {
        name: {
            "name": kind,
            "title": name,
            "summary": ALL_KINDS[kind].words,
            "headers": _SIGNATURE,
            "payload": schema,
        }
        for name, kind, schema in zip(names, MESSAGES, schemas, strict=True)
    }


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
                "What changes about an event, as server-sent events (WHATWG HTML, 9.2) or over WebSocket "
                "(RFC 6455), with the same messages. As server-sent events, each message is one event: its "
                "name is the `type` of the message, its id the journal row `seq`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            _CHANNEL: {
                "address": "/v1/events/{event_id}/stream",
                "title": "The stream of an event",
                "description": (
                    "A response to `GET` of the type `text/event-stream` that stays open; or a WebSocket, "
                    "in which each message is a text. The server takes no messages. It closes with 1000 "
                    "after an `end` with another reason than stopping, 1012 when it stops, 1013 when the "
                    "client reads too slowly, and 1008 or 1009 when the client sends a message. After 1012, "
                    "1013, or a loss of the connection, open it again with `since`, after a random wait of "
                    "one to five seconds."
                ),
                "parameters": {"event_id": {"description": "The id of the event.", "examples": [_EXAMPLE]}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
                "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            "streamEvent": {
                "action": "send",
                "channel": channel,
                "summary": "Send a snapshot, then what changes, with pings, then the end",
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
    _add_webhooks(found)
    if public_url:
        parts = urlsplit(public_url)
        path = {"pathname": parts.path} if parts.path else {}
        found["servers"] = {
            protocol: {"host": parts.netloc, "protocol": protocol} | path
            for protocol in (parts.scheme, parts.scheme.replace("http", "ws"))
        }
    return found
