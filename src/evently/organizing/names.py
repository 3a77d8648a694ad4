"""The names of pools, ticket types and zones: people tell them apart without case and spaces. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from evently.catalogue import NAME_CHARACTERS_MAX
from evently.kit.complaints import Complaints
from evently.kit.shapes import text
from evently.kit.visible import fold_name

PartName = Annotated[str, text(NAME_CHARACTERS_MAX, "Regular")]


def check_new_name(complaints: Complaints, name: str, others: Iterable[str]) -> None:
    """Note that one of the others has this name."""
    if fold_name(name) in set(map(fold_name, others)):
        complaints.about("/name", "name-taken")


def check_names(complaints: Complaints, pointer: str, names: Iterable[str]) -> None:
    """Note the names that an earlier item of a list has."""
    seen: set[str] = set()
    for index, name in enumerate(map(fold_name, names)):
        if name in seen:
            complaints.about(f"{pointer}/{index}/name", "name-taken")
        seen.add(name)
