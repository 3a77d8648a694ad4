"""A message as it is sent, encoded once for all readers: as an event (WHATWG HTML, 9.2), and as JSON."""

from __future__ import annotations

import random
from typing import Any, Final, TypeAlias

import msgspec

from evently.realtime.nouns import Changes, End, EndReason, Ping, Snapshot

Message: TypeAlias = Snapshot | Changes | End
# How long a browser waits before it opens a stream again: another wait for each, so that the readers of a
# process that stops do not come back all at once
RECONNECT_SECONDS: Final = (1.0, 5.0)
# After the end of a sale: a browser that does not understand the end would open the stream for ever
OVER_SECONDS: Final = 600

_encode: Final = msgspec.json.Encoder().encode


class Frame:
    """A message with its encodings, the same for all readers, as ASGI sends them.

    `part` is an event of a response that stays open, `text_part` a message over WebSocket.
    """

    __slots__ = ("json", "part", "text_part")

    def __init__(self, json: bytes, event: bytes) -> None:
        self.json = json
        self.part: dict[str, Any] = {"type": "http.response.body", "body": event, "more_body": True}
        self.text_part: dict[str, Any] = {"type": "websocket.send", "text": json.decode()}


def frame_of(message: Message) -> Frame:
    """Encode a message. An end has no id: who opens the stream again continues after the message before."""
    json = _encode(message)
    name = message.__struct_config__.tag
    if isinstance(message, End):
        numbered = b"" if message.reason == "stopping" else b"retry: %d\n" % (OVER_SECONDS * 1000)
    else:
        numbered = b"id: %d\n" % message.seq
    return Frame(json, b"event: %b\n%bdata: %b\n\n" % (str(name).encode(), numbered, json))


def end_frame(reason: EndReason) -> Frame:
    """Return the last message of a stream."""
    return frame_of(End(reason))


def reconnect_line() -> bytes:
    """Return the wait of one reader."""
    return b"retry: %d\n\n" % int(random.uniform(*RECONNECT_SECONDS) * 1000)  # noqa: S311  # no secret


# Proxies see that the stream lives, and so do pages: an event, because scripts see no comments, and could not
# notice that a proxy holds the stream back.
PING: Final = Frame(_encode(Ping()), b"event: ping\ndata: %b\n\n" % _encode(Ping()))
