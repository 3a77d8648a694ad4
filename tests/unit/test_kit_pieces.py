"""Long JSON in pieces is decoded like JSON at once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest

from evently.kit.errors import Refused
from evently.kit.pieces import PIECE_BYTES_MAX, decode_long, load_long
from evently.seating.generate import arena
from evently.seating.pretix_format import PretixPlan
from evently.seating.seatmap import SeatMap, canonical
from evently.web.edge.clients import Client
from evently.web.edge.exchange import Exchange
from evently.web.edge.validation import decode_as


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    map: SeatMap | None = None
    note: str = "none"


def exchange() -> Exchange:
    return Exchange({}, {b"content-type": b"application/json"}, "id", Client("127.0.0.1"))


def test_a_long_map_is_the_same_in_pieces() -> None:
    made = arena(10_000)
    whole = msgspec.json.encode(made)
    assert len(whole) > 2 * PIECE_BYTES_MAX
    assert canonical(made) == whole
    assert decode_long(SeatMap, whole) == made
    assert decode_long(Body, b'{"map":' + whole + b"}") == Body(map=made)
    assert load_long(b" [" + whole + b"]") == [msgspec.json.decode(whole)]


def test_a_long_text_is_one_piece() -> None:
    note = "x" * (PIECE_BYTES_MAX + 1)
    assert decode_long(Body, msgspec.json.encode({"note": note, "map": None})) == Body(note=note)


@pytest.mark.parametrize("change", [{"more": 1}, {"name": 5}, {"sections": {}}, {"focal_point": {"x": 1}}])
def test_a_fault_in_a_long_body_is_told_at_its_place(change: dict[str, Any]) -> None:
    content = msgspec.to_builtins(arena(10_000)) | change
    with pytest.raises(msgspec.ValidationError):
        decode_long(SeatMap, msgspec.json.encode(content))


@pytest.mark.parametrize("hostile", [b"{},", b"[],", b"0,"])
@pytest.mark.parametrize("shape", [Body, PretixPlan])
def test_too_many_values_are_refused_before_they_take_memory(shape: type, hostile: bytes) -> None:
    body = b'{"map":{"name":"x","sections":[' + hostile * 5_500_000 + b"0]}}"
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as caught:
            decode_as(shape, exchange(), body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.refusal == "too-large"
    assert peak < 1_000_000
