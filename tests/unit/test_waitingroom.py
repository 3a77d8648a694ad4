"""Waiting rooms: the arithmetic of turns, the draw, the tokens."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evently.waitingroom import Entry, TokenSigner
from evently.waitingroom.drawing import RANK_BYTES, DrawnList, hash_list, pads_of, rank_of, suffix_of
from evently.waitingroom.pacing import Pace, Paces, Wait, likely_wait, wanted_pace

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SEED = hashlib.sha256(b"seed").digest()


@given(
    st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 600_000_000)), min_size=1, max_size=8),
    st.integers(0, 1_200_000_000),
)
def test_a_turn_has_come_when_so_many_are_admitted(changes: list[tuple[int, int]], later: int) -> None:
    """Whatever the paces were: whose turn has come is what the last pace says, to the microsecond."""
    paces = [Pace(1, NOON, 0, changes[0][0])]
    for number, (per_minute, microseconds) in enumerate(changes[1:], start=2):
        last = paces[-1]
        at = last.from_at + timedelta(microseconds=microseconds)
        paces.append(Pace(number, at, last.admitted_at(at), per_minute))
    now = paces[-1].from_at + timedelta(microseconds=later)
    through, all_paces = paces[-1].admitted_at(now), Paces(paces)
    if through:
        turn = all_paces.turn_of(through)
        assert turn is not None
        assert turn <= now
    following = all_paces.turn_of(through + 1)
    assert following is None or following > now
    turns = [all_paces.turn_of(position) for position in range(1, min(through, 200) + 1)]
    assert turns == sorted(each for each in turns if each is not None)


def test_turns_come_one_after_the_other() -> None:
    paces = Paces([Pace(1, NOON, 0, 60), Pace(2, NOON + timedelta(seconds=10), 10, 120)])
    seconds = [(paces.turn_of(position) or NOON) - NOON for position in (1, 10, 11, 12)]
    assert [each.total_seconds() for each in seconds] == [1, 10, 10.5, 11]
    assert Paces([Pace(1, NOON, 5, 0)]).turn_of(6) is None
    assert Paces([Pace(3, NOON, 5, 60)]).turn_of(5) == NOON


@pytest.mark.parametrize(
    ("seconds", "pace", "left", "overloaded", "wanted"),
    [
        (1, 600, 10_000, False, None),
        (1, 600, 400, False, 400),
        (1, 600, 500, False, None),  # too little a change
        (1, 600, 0, False, 0),
        (1, 0, 0, False, None),
        (1, 0, 3, False, 3),
        (1, 600, 10_000, True, 300),
        (1, 1, 10_000, True, None),
        (1, 300, 10_000, False, None),  # the engine has just recovered
        (10, 150, 10_000, False, 300),
        (10, 500, 10_000, False, 600),  # what was set, however small the change
    ],
)
def test_the_pace_is_that_of_what_is_left_and_can_be_done(
    seconds: int, pace: int, left: int, *, overloaded: bool, wanted: int | None
) -> None:
    now = NOON + timedelta(seconds=seconds)
    assert wanted_pace(now, Pace(1, NOON, 0, pace), 600, left, overloaded=overloaded) == wanted


def test_the_order_is_that_of_hmac() -> None:
    entries = [uuid4() for _ in range(500)]
    listed = hash_list(entries)
    assert listed == hashlib.sha256("".join(sorted(each.hex for each in entries)).encode()).digest()
    suffix = suffix_of(listed, "nine")
    ranks = {
        each: hmac.new(SEED, f"{each.hex}{listed.hex()}nine".encode(), hashlib.sha256).digest()
        for each in entries
    }
    assert all(rank_of(SEED, each, suffix) == rank for each, rank in ranks.items())
    in_order = sorted(entries, key=ranks.__getitem__)
    order = DrawnList(SEED, suffix, b"".join(ranks[each][:RANK_BYTES] for each in in_order))
    assert [order.position_of(each) for each in in_order] == list(range(1, 501))
    assert order.position_of(uuid4()) is None
    assert DrawnList(SEED, suffix, b"").position_of(entries[0]) is None


def test_ranks_that_begin_alike_are_told_apart() -> None:
    entry_id = uuid4()
    rank = rank_of(SEED, entry_id, "")[:RANK_BYTES]
    others = sorted([rank[:8] + bytes([number]) * 8 for number in (0, 255)] + [rank])
    for ranks in (others, [rank], [b"\0" * RANK_BYTES, *others, b"\xff" * RANK_BYTES]):
        assert DrawnList(SEED, "", b"".join(ranks)).position_of(entry_id) == ranks.index(rank) + 1
    without = [each for each in others if each != rank]
    assert DrawnList(SEED, "", b"".join(without)).position_of(entry_id) is None


@pytest.mark.parametrize(
    ("seconds", "ahead", "left", "pace", "per_minute", "wait"),
    [
        (60, 600, 100_000, 600, 600, Wait(60, 60)),  # far more tickets than people
        (60, 300, 100_000, 300, 600, Wait(30, 60)),  # the engine recovers
        (10, 100, 1_000, 600, 600, Wait(10, 10)),
        (60, 600, 1_000, 600, 600, Wait(60, 65)),  # the last 400 of them take longer
        (60, 999, 1_000, 1_000, 6_000, Wait(60, 415)),
        (60, 1_000, 1_000, 1_000, 6_000, Wait(60, None)),  # nothing may be left
        (0.4, 0, 5, 60, 60, Wait(0, 1)),
    ],
)
def test_how_long_a_person_is_likely_to_wait(
    seconds: float, ahead: int, left: int, pace: int, per_minute: int, wait: Wait
) -> None:
    assert likely_wait(seconds, ahead, left, pace, per_minute) == wait


@given(
    st.floats(0, 10_000),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(1, 60_000),
    st.integers(1, 60_000),
)
def test_the_soonest_is_not_after_the_latest(
    seconds: float, ahead: int, left: int, pace: int, per_minute: int
) -> None:
    wait = likely_wait(seconds, ahead, left, pace, per_minute)
    assert 0 <= wait.soonest <= seconds
    assert wait.latest is None if ahead >= left else wait.latest is not None and wait.latest >= seconds


def test_the_pads_are_those_of_hmac() -> None:
    pads, message = pads_of(SEED), b"a message"
    ours = hashlib.sha256(pads.outer + hashlib.sha256(pads.inner + message).digest()).digest()
    assert ours == hmac.digest(SEED, message, "sha256")


def entry(**changes: object) -> Entry:
    said: dict[str, object] = {
        "event_id": UUID(int=1),
        "entry_id": UUID(int=2),
        "person_id": UUID(int=3),
        "entered_at": NOON,
        "late_number": None,
    }
    return Entry(**(said | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("late", [None, 1, 2**32 - 1])
def test_a_place_is_read_as_it_was_signed(late: int | None) -> None:
    signer = TokenSigner(b"a secret")
    place = entry(late_number=late, entered_at=NOON + timedelta(microseconds=1))
    assert signer.read_place(signer.sign_place(place)) == place
    assert TokenSigner(b"another secret").read_place(signer.sign_place(place)) is None


def test_an_admission_is_for_one_person_one_event_and_ten_minutes() -> None:
    signer, until = TokenSigner(b"a secret"), NOON + timedelta(minutes=10)
    token = signer.sign_admission(entry(), until)
    assert signer.admits(token, UUID(int=1), UUID(int=3), until - timedelta(microseconds=1))
    assert not signer.admits(token, UUID(int=1), UUID(int=3), until)
    assert not signer.admits(token, UUID(int=9), UUID(int=3), NOON)
    assert not signer.admits(token, UUID(int=1), UUID(int=9), NOON)
    assert not signer.admits(signer.sign_place(entry()), UUID(int=1), UUID(int=3), NOON)
    assert signer.read_place(token) is None


@given(st.text(max_size=300))
def test_no_other_text_is_a_token(text: str) -> None:
    signer = TokenSigner(b"a secret")
    assert signer.read_place(text) is None
    assert not signer.admits(text, UUID(int=1), UUID(int=3), NOON)


@given(st.integers(0, 10_000), st.integers(1, 127))
def test_a_changed_token_is_none(at: int, change: int) -> None:
    signer = TokenSigner(b"a secret")
    token = signer.sign_admission(entry(), NOON + timedelta(minutes=10)).encode()
    at %= len(token)
    changed = (token[:at] + bytes([(token[at] ^ change) & 127]) + token[at + 1 :]).decode()
    same = changed.encode() == token
    # The last character has bits that do not count
    if at < len(token) - 1 and not same:
        assert not signer.admits(changed, UUID(int=1), UUID(int=3), NOON)
