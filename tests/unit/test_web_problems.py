"""The table of problems: complete, unambiguous, documented."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import string
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import pytest

import evently
from evently.kit.errors import (
    Busy,
    CommitsWait,
    CommonRefusal,
    OutcomeUnknown,
    Refusal,
    Unavailable,
    WrongClock,
)
from evently.sales.journal_files import JournalFileBroken
from evently.web.api import docs
from evently.web.edge.problems import PROBLEMS, problems, refusal_of
from evently.web.pages import assets
from tests.support.edge import client_of

SOURCE: Final = Path(evently.__file__).parent


def all_refusals() -> list[Refusal]:
    """Return every member of every subclass in the code base, whatever module it hides in."""
    for module in pkgutil.walk_packages(evently.__path__, "evently."):
        if (
            not module.name.endswith("__main__")
            and ".migrations.versions" not in module.name
            and not module.name.endswith(".env")
        ):
            importlib.import_module(module.name)
    found: list[Refusal] = []
    pending = list(Refusal.__subclasses__())
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        found += list(kind)
    return found


def test_every_refusal_has_a_row_and_every_row_a_refusal() -> None:
    codes = [refusal.value for refusal in all_refusals()]
    assert sorted(codes) == sorted(set(codes)), "two refusals of one code"
    assert set(codes) == {str(code) for code in PROBLEMS}


def test_rows_can_be_read() -> None:
    titles = [row.title for row in PROBLEMS.values()]
    assert sorted(titles) == sorted(set(titles)), "a title is fixed for its type (RFC 9457, 3.1.3)"
    for code, row in PROBLEMS.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", code), code
        assert 400 <= row.status <= 503, code
        assert row.title, code
        assert not row.title.endswith("."), code
        assert row.explanation.endswith("."), code
        for reason, sentence in row.details.items():
            assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", reason), (code, reason)
            assert sentence.endswith((".", "…")), (code, reason)


class Use(NamedTuple):
    """A place in the source that refuses for a reason."""

    place: str
    code: str
    reason: str
    data: frozenset[str]


def uses_of_reasons() -> list[Use]:
    """Return the reasons in the source.

    Each `Refused(X.Y, "reason", name=...)`, `No(X.Y, "reason", {"name": ...})`, `Busy("reason", name=...)`.
    """
    codes = {f"{type(refusal).__name__}.{refusal.name}": refusal.value for refusal in all_refusals()}
    kinds = (Busy, Unavailable, WrongClock, JournalFileBroken, OutcomeUnknown, CommitsWait)
    troubles = {kind.__name__: refusal_of(kind()).value for kind in kinds}
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name, place = (
                ast.unparse(node.func).rpartition(".")[2],
                f"{path.relative_to(SOURCE)}:{node.lineno}",
            )
            if name in {"Refused", "No"} and (code := codes.get(ast.unparse(node.args[0]))) is not None:
                found.append(Use(place, code, *_reason_of(node, node.args[1:], place)))
            elif name in troubles:
                found.append(Use(place, troubles[name], *_reason_of(node, node.args, place)))
    return found


def _reason_of(node: ast.Call, given: list[ast.expr], place: str) -> tuple[str, frozenset[str]]:
    """Return the reason and the names of the data; `given`: the arguments after the code."""
    names = {keyword.arg for keyword in node.keywords if keyword.arg is not None}
    assert len(names) == len(node.keywords), f"{place}: name the data"
    names.discard("response")  # for the log alone
    if not given:
        return "", frozenset(names)
    reason = given[0]
    assert isinstance(reason, ast.Constant), f"{place}: a reason is written out"
    if len(given) > 1:
        data = given[1]
        assert isinstance(data, ast.Dict), f"{place}: the data of a refusal is a dictionary, written out"
        names |= {str(key.value) for key in data.keys if isinstance(key, ast.Constant)}
    return str(reason.value), frozenset(names)


def test_every_reason_has_its_sentence_and_every_sentence_a_reason() -> None:
    used = {(use.code, use.reason) for use in uses_of_reasons() if use.reason}
    assert used == {(code, reason) for code, row in PROBLEMS.items() for reason in row.details}


def test_the_data_of_a_refusal_fills_its_sentence() -> None:
    for use in uses_of_reasons():
        row = PROBLEMS[use.code]
        sentence = row.details.get(use.reason, "")
        needed = {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
        assert needed <= use.data, use
        assert use.data - needed <= row.members, f"{use}: data that nobody sees"


def test_a_route_declares_refusals_codes_or_statuses() -> None:
    found = problems(CommonRefusal.NOT_FOUND, "sold-out", 429, "unknown-ticket-type")
    assert found == ["not-found", "sold-out", "rate-limited", "unknown-ticket-type"]
    with pytest.raises(AssertionError, match="no problem"):
        problems("nonsense")


async def test_every_problem_is_explained_at_its_address() -> None:
    async with client_of([*docs.routes, *assets.routes]) as client:
        index = await client.get("/problems")
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        for code, row in PROBLEMS.items():
            assert f'href="/problems/{code}"' in index.text
            page = await client.get(f"/problems/{code}")
            assert page.status_code == 200
            assert str(row.status) in page.text
        unknown = await client.get("/problems/nonsense")
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")


async def test_the_pages_load_nothing_from_elsewhere() -> None:
    async with client_of([*docs.routes, *assets.routes]) as client:
        for path in ("/docs", "/redoc", "/problems", "/problems/sold-out"):
            page = await client.get(path)
            assert page.status_code == 200
            assert "default-src 'none'" in page.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            linked = re.findall(r'(?:src|href)="([^"]+)"', page.text)
            assert linked
            assert all(address.startswith("/") and not address.startswith("//") for address in linked), linked
            assert "<style" not in page.text
            for address in linked:
                await _check_file(client, address)


async def _check_file(client: httpx2.AsyncClient, address: str) -> None:
    if not address.startswith("/static/"):
        return
    answer = await client.get(address, headers={"Accept-Encoding": "br"})
    assert answer.status_code == 200, address
    assert answer.headers["content-encoding"] == "br"
    assert "max-age=" in answer.headers["cache-control"]
    again = await client.get(
        address, headers={"Accept-Encoding": "br", "If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    assert again.headers["etag"] == answer.headers["etag"]
    if address.endswith(".css"):
        assert "url(http" not in answer.text
        assert "@import" not in answer.text


async def test_only_what_is_there_to_be_sent_is_sent() -> None:
    async with client_of([*docs.routes, *assets.routes]) as client:
        for path in ("", "../pages.py", "%2e%2e/pages.py", "vendor", "nothing.js", "/etc/passwd"):
            assert (await client.get(f"/static/{path}")).status_code == 404, path
