"""Fixtures for tests that need the database.

`database_url` and `db` are per test, `shared_database_url` and `shared_db` per module. There is one server
per run. Without pytest-xdist it starts when the first test requests it; with pytest-xdist, the controller
starts it and sends its address to the workers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import hypothesis
import msgspec
import psycopg
import pytest
import pytest_asyncio

from evently.db import Database, DatabaseOptions
from tests.support.clusters import empty, prepare
from tests.support.postgres import ServerAddress, cloned_database, in_database, running_server

Admin = psycopg.Connection[tuple[object, ...]]

# They take longest. They begin first, so that no worker of pytest-xdist is busy alone at the end
LONGEST: Final = (
    "load/test_bench_quick.py",
    "api/test_readme_tour.py",
    "api/test_clients.py",
    "cluster/test_patroni.py",
    "load/test_kill_payments.py",
    "cluster/test_rolling.py",
    "load/test_bench_size.py",
    "load/test_evening.py",
    "browser/test_rehearsed_evening.py",
    "api/test_rehearsing.py",
    "api/test_rehearsals.py",
    "load/test_kill.py",
    "api/test_upgrades.py",
    "api/test_serving_streams.py",
    "cluster/test_standbys.py",
    "cluster/test_balancers.py",
    "cluster/test_clocks.py",
    "test_deployment.py",
    "browser/test_rehearsing.py",
    "db/test_archiving.py",
    "api/test_serving_metrics.py",
    "api/test_edge_memory.py",
    "db/test_embedded.py",
    "db/test_backups.py",
    "db/test_checkout_crashes.py",
    "browser/test_buying.py",
    "browser/test_holding.py",
    "sim/test_simulation.py",
)
_ADDRESS = pytest.StashKey[ServerAddress]()
_RUNNING = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--prove` (full size, docs/proof.md), `--seed N` of the simulation, and `--cluster URL`."""
    parser.addoption("--prove", action="store_true", help="run random histories at full size (hours)")
    parser.addoption("--seed", type=int, help="simulate this seed alone")
    parser.addoption("--cluster", help="run on this cluster: the URL of a database at its coordinator")


def pytest_configure(config: pytest.Config) -> None:
    """Start the server for the workers, or read its address from the controller."""
    # On a busy machine an example takes as long as it takes
    hypothesis.settings.register_profile(
        "evently", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("evently")
    config.stash[_RUNNING] = ExitStack()
    if (received := getattr(config, "workerinput", None)) is not None:
        config.stash[_ADDRESS] = msgspec.convert(received["postgres"], ServerAddress)
    elif config.getoption("tx", None) and not config.getoption("collectonly"):
        _start(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send the address of the server to a worker of pytest-xdist."""
    node.workerinput["postgres"] = msgspec.to_builtins(node.config.stash[_ADDRESS])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first, and leave the others in their order."""
    tests = Path(__file__).parent
    places = {tests / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the server, if this process has started it."""
    config.stash[_RUNNING].close()


def _start(config: pytest.Config) -> None:
    config.stash[_ADDRESS] = config.stash[_RUNNING].enter_context(running_server())


@pytest.fixture(scope="session")
def prove(request: pytest.FixtureRequest) -> bool:
    """Return whether to run at full size."""
    return bool(request.config.getoption("prove"))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say that nothing was run on a cluster, unless it was."""
    if not config.getoption("cluster"):
        terminalreporter.write_line(
            "Not run on a cluster: statements, engine, rehearsal (make test CLUSTER=postgresql://...)."
        )


@pytest.fixture(scope="session")
def cluster_url(request: pytest.FixtureRequest) -> str | None:
    """Return the database of the cluster that is there, with its tables distributed; None without one."""
    url: str | None = request.config.getoption("cluster")
    if url is not None:
        prepare(url)
    return url


@pytest.fixture(scope="session")
def postgres_address(request: pytest.FixtureRequest) -> ServerAddress:
    """Return the address of the server of this run, and start it if necessary."""
    if _ADDRESS not in request.config.stash:
        _start(request.config)
    return request.config.stash[_ADDRESS]


@pytest.fixture(scope="session")
def postgres_admin(postgres_address: ServerAddress) -> Iterator[Admin]:
    """Yield a superuser's connection, for creating and dropping databases."""
    with psycopg.connect(postgres_address.socket_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def database_url(request: pytest.FixtureRequest, cluster_url: str | None) -> Iterator[str]:
    """Yield the address of a migrated, empty database for this test alone."""
    yield from _empty_database(request, cluster_url)


@pytest.fixture
def external_database_url(postgres_address: ServerAddress, postgres_admin: Admin) -> Iterator[str]:
    """Yield the TCP address of a database for this test alone, like that of an external server."""
    with cloned_database(postgres_admin) as name:
        yield in_database(postgres_address.tcp_url, name)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """Yield the open database of this test."""
    database = await Database.open(DatabaseOptions(url=database_url))
    yield database
    await database.close()


@pytest.fixture(scope="module")
def shared_database_url(request: pytest.FixtureRequest, cluster_url: str | None) -> Iterator[str]:
    """Yield a database for all tests of a module: for slow preparations and tests that only read."""
    yield from _empty_database(request, cluster_url)


def _empty_database(request: pytest.FixtureRequest, cluster_url: str | None) -> Iterator[str]:
    if cluster_url is not None:
        empty(cluster_url)
        yield cluster_url
        return
    address: ServerAddress = request.getfixturevalue("postgres_address")
    with cloned_database(request.getfixturevalue("postgres_admin")) as name:
        yield in_database(address.socket_url, name)


@pytest_asyncio.fixture
async def shared_db(shared_database_url: str) -> AsyncIterator[Database]:
    """Yield the database of the module, opened for each test: connections belong to the test's event loop."""
    database = await Database.open(DatabaseOptions(url=shared_database_url))
    yield database
    await database.close()
