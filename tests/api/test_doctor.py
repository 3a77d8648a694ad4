"""`evently doctor` names what is wrong with an installation, and how to mend it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from tests.support.fake_stripe import KEY, SECRET, fake_stripe
from tests.support.postgres import ServerAddress, in_database, scratch_directory
from tests.support.serving import evently, serving


def diagnose(status: int = 0, **settings: str) -> dict[str, list[dict[str, Any]]]:
    """Run the doctor; returns the findings by name."""
    done = evently("doctor", "--json", **{"port": "1"} | settings)
    assert done.returncode == status, done.stdout + done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for each in json.loads(done.stdout):
        found.setdefault(each["name"], []).append(each)
    return found


def failures(found: dict[str, list[dict[str, Any]]]) -> list[str]:
    failed = [each for findings in found.values() for each in findings if each["status"] == "fail"]
    assert all(each["remedy"] for each in failed), "what fails can be mended"
    return [each["name"] for each in failed]


def test_a_wrong_setting_is_named() -> None:
    found = diagnose(1, gateway="strype")
    assert failures(found) == ["Settings"]
    assert "EVENTLY_GATEWAY" in found["Settings"][0]["text"]


def test_the_database_is_examined_and_not_migrated(
    postgres_address: ServerAddress, postgres_admin: psycopg.Connection[tuple[object, ...]]
) -> None:
    postgres_admin.execute("CREATE DATABASE doctor_empty")
    try:
        url = in_database(postgres_address.tcp_url, "doctor_empty")
        found = diagnose(1, database_url=url, public_url="https://tickets.example", gateway="demo")
        assert failures(found) == ["Durability"], "the server of the tests is quick, and not durable"
        assert found["Schema"][0]["text"] == "The database is empty."
        assert found["Clock"][0]["status"] == "pass"
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
        assert row == (0,), "it creates nothing"
    finally:
        postgres_admin.execute("DROP DATABASE doctor_empty WITH (FORCE)")


def test_an_older_and_a_newer_schema_are_told_apart(external_database_url: str) -> None:
    def set_revision(revision: str) -> None:
        with psycopg.connect(external_database_url, autocommit=True) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", [revision])

    set_revision("0001")
    (older,) = diagnose(1, database_url=external_database_url)["Schema"]
    assert (older["status"], older["remedy"]) == ("fail", "evently migrate")
    set_revision("9999")
    (newer,) = diagnose(1, database_url=external_database_url)["Schema"]
    assert newer["status"] == "warn"
    assert "still sells" in newer["text"]


def test_servers_that_do_not_answer_are_named_without_passwords() -> None:
    done = evently(
        "doctor",
        port="1",
        database_url="postgresql://evently:opensesame@127.0.0.1:1/evently",
        smtp_url="smtp+starttls://evently:opensesame@127.0.0.1:1",
        mail_from="tickets@evently.example",
        public_url="https://tickets.example",
        redis_url="redis://:opensesame@127.0.0.1:1",
    )
    assert done.returncode == 1, done.stdout
    assert "FAIL  Database" in done.stdout
    assert "FAIL  E-mail: The mail server cannot be used" in done.stdout
    assert "look  Rates" in done.stdout
    assert "opensesame" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_who_listens_on_the_port_is_told(external_database_url: str, tmp_path: Path) -> None:
    with another_program() as port:
        found = diagnose(1, port=str(port), data=str(tmp_path))
        assert "Port" in failures(found)
    with serving(database_url=external_database_url, workers="1") as server:
        port_of_evently = server.url.rpartition(":")[2]
        (found_there,) = diagnose(0, port=port_of_evently, data=str(tmp_path))["Port"]
        assert found_there["text"].startswith("Evently answers")


def test_an_embedded_database_is_found_running_stopped_and_missing() -> None:
    with scratch_directory() as directory:
        data = directory / "data"
        (missing,) = diagnose(0, data=str(data))["Database"]
        assert missing["text"].startswith("There is none yet")
        assert not data.exists(), "it creates nothing"
        with serving(data=str(data), workers="1"):
            running = diagnose(0, data=str(data))
            assert running["Database"][0]["text"] == "The embedded PostgreSQL runs."
            assert running["Schema"][0]["status"] == "pass"
            assert running["Work"][0]["status"] == "pass"
        assert diagnose(0, data=str(data))["Database"][0]["text"] == "The embedded PostgreSQL starts."
        (data / "postgres").chmod(0o755)
        spoiled = diagnose(1, data=str(data))
        assert "Permissions" in failures(spoiled)


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    names = {name: str(tmp_path / name) for name in ("apple_certificate", "apple_key", "apple_authority")}
    for name in ("apple_certificate", "apple_key"):
        Path(names[name]).write_text("a key")
    Path(names["apple_key"]).chmod(0o644)
    found = diagnose(1, data=str(tmp_path / "data"), **names)
    said = {each["text"]: each["status"] for each in found["Permissions"]}
    assert said == {
        f"Everybody can read the key {names['apple_key']}.": "warn",
        f"{names['apple_authority']} cannot be read.": "fail",
    }


def test_a_directory_of_archived_journals_that_is_away_is_named(tmp_path: Path) -> None:
    away = str(tmp_path / "away")
    (found,) = diagnose(1, data=str(tmp_path / "data"), archive=away)["Permissions"]
    assert found["text"] == f"{away} cannot be read: archived journals are not proven."


@contextmanager
def another_program() -> Iterator[int]:
    """Listen on a port, and answer as no HTTP server does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            try:
                while True:
                    connection, _ = listening.accept()
                    connection.sendall(b"220 ready\r\n")
                    connection.close()
            except OSError:
                return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listening.getsockname()[1]


async def test_stripe_is_asked_whether_it_takes_the_key(external_database_url: str) -> None:
    async with fake_stripe() as fake:

        async def ask(key: str, base: str = fake.url) -> dict[str, Any]:
            found = await asyncio.to_thread(
                diagnose,
                1,  # the server of the tests is quick, and not durable
                database_url=external_database_url,
                gateway="stripe",
                stripe_key=key,
                stripe_webhook_secret=SECRET,
                stripe_api_base=base,
            )
            (payments,) = found["Payments"]
            assert key not in payments["text"]
            return payments

        works = await ask(KEY)
        assert (works["status"], works["text"]) == ("pass", "The gateway stripe answers, and takes the key.")
        assert fake.requests == ["GET /v1/events"], "it is read, and nothing is changed"
        wrong = await ask("sk_test_of_another_account")
        assert (wrong["status"], "EVENTLY_STRIPE_KEY" in wrong["remedy"]) == ("fail", True)
        away = await ask(KEY, "http://127.0.0.1:1")
        assert away["status"] == "fail"
