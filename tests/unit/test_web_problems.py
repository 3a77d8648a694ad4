"""The table of problems: complete, unambiguous, documented."""

from __future__ import annotations

import importlib
import pkgutil
import re

import httpx2

import evently
from evently.kit.errors import Refusal
from evently.web.api import docs
from evently.web.edge.problems import PROBLEMS, problems
from evently.web.pages import assets
from tests.support.edge import client_of


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


def test_a_handler_declares_refusals_codes_or_statuses() -> None:
    found = problems("sold-out", 429, "unknown-ticket-type")
    assert list(found) == [409, 422, 429]
    assert "`sold-out`" in found[409].description
    assert "`rate-limited`" in found[429].description


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
