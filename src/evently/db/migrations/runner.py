"""Apply the revisions in `versions/` that a database does not have yet, in one process at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool, text

_HERE: Final = Path(__file__).parent
_LOCK_KEY: Final = 0x657665_6E746C79  # "evently" in ASCII: concurrent migrations wait for each other
# A migration that cannot get its lock fails, because sales would wait behind it
_LOCK_TIMEOUT: Final = "5s"
# Tables of extensions, such as PostGIS, prevent nothing.
_LIST_TABLES: Final = """SELECT relname FROM pg_class
    WHERE
        relkind IN ('r', 'p') AND relnamespace = to_regnamespace('public')
        AND NOT EXISTS (
            SELECT FROM pg_depend
            WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e'
        )
    ORDER BY relname
"""
_IS_CLUSTER: Final = "SELECT to_regprocedure('citus_version()') IS NOT NULL"
# All revisions are one transaction: it must see its own changes of a table on each node, so it uses one
# connection to each. Without a cluster, the setting does not exist
_ONE_CONNECTION: Final = "SET LOCAL citus.multi_shard_modify_mode = 'sequential'"
_NAMED_MAX: Final = 3  # tables that a refusal names


class Refused(Exception):
    """The database is not migrated; the message tells the operator why."""


def migrate(url: str) -> None:
    """Migrate the database at `url` to the newest revision, if it is older.

    A database of another program is refused: `DATABASE_URL` in a shell may mean that.
    """
    # URLs of SQLAlchemy have one host. URLs of PostgreSQL may name several; the one that accepts writes is
    # used.
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(url, target_session_attrs="read-write"),
        poolclass=pool.NullPool,
    )
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            if connection.scalar(text(_IS_CLUSTER)):
                connection.execute(text(_ONE_CONNECTION))
            _refuse_foreign_tables(connection)
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def head_revision() -> str:
    """Return the revision that this code needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def run_revisions(environment: EnvironmentContext, config: Config) -> None:
    """Run the migrations inside the transaction that `migrate` has begun. `env.py` calls it."""
    environment.configure(connection=config.attributes["connection"], transactional_ddl=False)
    environment.run_migrations()


def read_revision(file: str) -> str:
    """Return the SQL beside a revision file."""
    return Path(file).with_suffix(".sql").read_text(encoding="utf-8")


def _refuse_foreign_tables(connection: Connection) -> None:
    """Raise Refused if the database has tables, and none of them is Evently's."""
    tables = [str(name) for (name,) in connection.execute(text(_LIST_TABLES))]
    if tables and not {"alembic_version", "journal"} <= set(tables):
        more = ", ..." if len(tables) > _NAMED_MAX else ""
        raise Refused(
            f"The database has tables of another program ({', '.join(tables[:_NAMED_MAX])}{more}): name an "
            "empty one with EVENTLY_DATABASE_URL."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    return config
