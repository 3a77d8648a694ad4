"""Each command has a rule and declares its needs; the tables of states agree with their types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

import pytest

from evently.sales import states
from evently.sales.commands import Command, Needs
from evently.sales.commands.sale_terms import SetUpSale
from evently.sales.rules import RULES

COMMANDS: Final = Command.__subclasses__()
# The attributes that a need reads: a command that has all of them must declare the need; no other
# command may
READ_BY: Final = {
    "key": {"actor_id", "key", "fingerprint"},
    "booking": {"booking_id"},
    "entry": {"entry_id"},
    "refund": {"refund_id"},
    "transfer": {"transfer_id"},
    "scan": {"scan_id"},
    "ticket": {"ticket_id", "secret"},
    "buyer_units": {"buyer_id", "ticket_type_ids"},
    "buyer_holds": {"buyer_id", "hold_seconds"},
    "promo_uses": {"buyer_id", "promo_code"},
}
OTHER_NEEDS: Final = {
    "live_entries",
    "waiting_entries",
    "may_release",
    "outside",
    "posted",
}  # follow from the rule, not from a field
TABLES: Final = {
    states.SaleState: states.SALE_TRANSITIONS,
    states.BookingState: states.BOOKING_TRANSITIONS,
    states.TicketState: states.TICKET_TRANSITIONS,
    states.EntryState: states.ENTRY_TRANSITIONS,
    states.RefundState: states.REFUND_TRANSITIONS,
    states.TransferState: states.TRANSFER_TRANSITIONS,
}


def test_each_command_has_a_rule() -> None:
    assert RULES.keys() | {SetUpSale} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_needs(command: type[Command]) -> None:
    assert "needs" in vars(command), "the needs of a command are its own, not inherited"
    for need, names in READ_BY.items():
        has = all(hasattr(command, name) for name in names)
        assert getattr(command.needs, need) == has, f"{need} reads {names}"


def test_each_need_is_checked() -> None:
    assert READ_BY.keys() | OTHER_NEEDS == set(Needs.__struct_fields__)


def test_a_command_without_needs_of_its_own_is_noticed() -> None:
    assert not hasattr(Command, "needs")


@pytest.mark.parametrize(("state", "table"), TABLES.items())
def test_each_state_has_its_transitions(state: Any, table: Mapping[str | None, frozenset[str]]) -> None:
    words = set(get_args(state))
    assert table.keys() == words | {None}
    assert set().union(*table.values()) == words, "a state that no transition leads to"
