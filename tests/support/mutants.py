"""Deliberate mistakes: one line of the product is changed in the running process while a check runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType

from evently.db import Query


@dataclass(frozen=True)
class Mutant:
    """`old` becomes `new` in the source of a module, or in a statement."""

    name: str
    where: ModuleType | Query
    old: str
    new: str


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Run the block with the mistake."""
    with (
        _in_statement(mutant, mutant.where)
        if isinstance(mutant.where, Query)
        else _in_module(mutant, mutant.where)
    ):
        yield


@contextmanager
def _in_statement(mutant: Mutant, query: Query) -> Iterator[None]:
    text = query.text
    query.text = _changed(mutant, text)
    try:
        yield
    finally:
        query.text = text


@contextmanager
def _in_module(mutant: Mutant, module: ModuleType) -> Iterator[None]:
    """Give the module's functions the code of the changed source, so that all references have the mistake."""
    source = _changed(mutant, inspect.getsource(module))
    codes = {
        code.co_qualname: code
        for code in _codes(compile(source, module.__file__ or "", "exec", dont_inherit=True))
    }
    functions = {function: function.__code__ for function in _functions(module)}
    try:
        for function in functions:
            function.__code__ = codes[function.__qualname__]
        yield
    finally:
        for function, code in functions.items():
            function.__code__ = code


def _changed(mutant: Mutant, text: str) -> str:
    assert text.count(mutant.old) == 1, (
        f"{mutant.name}: the line to change is there {text.count(mutant.old)} times"
    )
    return text.replace(mutant.old, mutant.new)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield each
            yield from _codes(each)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    for each in vars(module).values():
        inside = (
            vars(each).values() if isinstance(each, type) and each.__module__ == module.__name__ else [each]
        )
        for function in inside:
            if isinstance(function, FunctionType) and function.__code__.co_filename == module.__file__:
                yield function
