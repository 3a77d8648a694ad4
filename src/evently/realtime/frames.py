"""A message as it is sent, encoded once for all: as an event of a stream (WHATWG HTML, 9.2), and as JSON."""

from __future__ import annotations

import random
from typing import Any, Final, TypeAlias

import msgspec

from evently.realtime.nouns import Changes, End, EndReason, Snapshot

Message: TypeAlias = Snapshot | Changes | End
# How long a browser waits before it opens a stream again: another wait for each, so that the readers of a
# process that stops do not come back all at once
RECONNECT_SECONDS: Final = (1.0, 5.0)
# After the end of a sale: a browser that does not understand the end would open the stream for ever
OVER_SECONDS: Final = 600

_encode: Final = msgspec.json.Encoder().encode


class Frame:
    """A message with its encodings. `part` is the same for all readers, as ASGI sends it."""

    __slots__ = ("json", "part")

    def __init__(self, json: bytes, event: bytes) -> None:
        self.json = json
        self.part: dict[str, Any] = {"type": "http.response.body", "body": event, "more_body": True}


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


PING: Final = Frame(b'{"type":"ping"}', b": ping\n\n")  # proxies and browsers see that the stream lives
