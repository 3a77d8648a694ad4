"""Servers and axe for the tests of a worker; a box office and a Chromium for those of a module.

A server takes seconds to start, so all modules of a worker share one, and its database. A test makes what it
looks at: it expects nothing of lists that hold the events of all organizers, and its people have addresses of
their own.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.support.box_office import SECRET, BoxOffice, open_box_office
from tests.support.npm import npm_file
from tests.support.postgres import ServerAddress, cloned_database, in_database
from tests.support.serving import Serving, serving

CHROMIUM: Final = shutil.which("chromium")
ARGUMENTS: Final = [
    "--headless=new",
    "--no-sandbox",  # tests may run as root, under which Chromium's sandbox does not work
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]

# Only what is wrong: what is right is a thousand lines, which nobody reads
VIOLATIONS: Final = "axe.run({ resultTypes: ['violations'], preload: false }).then((run) => run.violations)"

expect.set_options(timeout=30_000)  # other tests share the processors


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this directory where there is no Chromium."""
    if CHROMIUM is not None:
        return
    reason = "Chromium not found: apt-get install chromium (make test does, as root)"
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))


SETTINGS: Final = {
    "secret": SECRET,
    "gateway": "demo",
    "workers": "1",
    "access_log": "false",
    "rate_login": "0",
    "rate_register": "0",
}


Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="session")
def plain_server(postgres_address: ServerAddress, postgres_admin: Admin) -> Iterator[Serving]:
    """Yield a server with the demo gateway and the relay, on a database of its own."""
    with cloned_database(postgres_admin) as name:
        url = in_database(postgres_address.socket_url, name)
        with serving(database_url=url, **SETTINGS) as running:
            yield running


@pytest.fixture(scope="session")
def demo_server(postgres_address: ServerAddress, postgres_admin: Admin) -> Iterator[Serving]:
    """Yield a server that writes e-mail, too, and shows it at `/demo/mail`."""
    with cloned_database(postgres_admin) as name:
        url = in_database(postgres_address.socket_url, name)
        with serving(database_url=url, demo="true", **SETTINGS) as running:
            yield running


@pytest.fixture(scope="module")
def server(plain_server: Serving) -> Serving:
    """Return the server of a module."""
    return plain_server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def office(server: Serving) -> AsyncIterator[BoxOffice]:
    """Yield a box office on the database that the server serves, to set the scene."""
    settings = {"demo": True} if "demo" in server.settings else {}
    async with open_box_office(server.settings["database_url"], **settings) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Yield a Chromium."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield launched
        await launched.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """Return the script of axe-core, which finds what makes a page hard to use."""
    return npm_file(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        "axe.min.js",
    )
