"""The command line: quick to explain itself, plain about what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import evently

COMMANDS = (
    *("serve", "work", "migrate", "demo", "admin", "audit", "doctor"),
    *("backup", "archive", "restore", "rehearse", "seatmap", "openapi"),
)


def test_help_names_every_command_and_the_exit_codes() -> None:
    done = evently("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert f" {command} " in done.stdout
    assert "Exit codes: 0 success; 1" in done.stdout
    assert evently().stdout == done.stdout, "without a command it explains itself"


@pytest.mark.parametrize("command", [*((name,) for name in COMMANDS), ("admin", "create")])
def test_every_command_explains_itself(command: tuple[str, ...]) -> None:
    done = evently(*command, "--help")
    assert done.returncode == 0
    assert f"Usage: evently {' '.join(command)}" in done.stdout


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom evently.cli import app\ntry: app(['--help'])\nexcept SystemExit: "
        "pass\nprint(*sys.modules)"
    )
    loaded = (
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
        .stdout.splitlines()[-1]
        .split()
    )
    assert not {"sqlalchemy", "asyncpg", "uvicorn", "procrastinate"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "settings", "sentence"),
    [
        (("serve", "--prot", "1"), {}, "Did you mean --port?"),
        (("serf",), {}, 'Did you mean "serve"?'),
        (("serve", "--port", "abc"), {}, "Invalid value for --port"),
        (("serve", "--port", "70000"), {}, "--port: Expected `int` <= 65535."),
        (("serve", "--workers=-1"), {}, "--workers: Expected `int` >= 0."),
        (("admin", "create"), {}, "--email requires an argument"),
        (("serve",), {"prot": "1"}, "EVENTLY_PROT is not a setting. Did you mean EVENTLY_PORT?"),
        (("migrate",), {"workers": "many"}, "EVENTLY_WORKERS: Expected `int`"),
        (("backup",), {}, "Name the directory of backups, here or with EVENTLY_BACKUPS."),
        (("backup", "/b"), {"database_url": "postgresql:///x"}, "back up your own with its own tools."),
        (("backup", "/b", "--keep", "0"), {}, "Must be >= 1"),
        (("archive",), {}, "Name the directory of archived journals, here or with EVENTLY_ARCHIVE."),
        (("archive", "/a", "--days", "3"), {}, "Must be >= 30"),
        (("restore", "/b", "--data", "/d", "--at", "yesterday"), {}, "'yesterday' is not a time like 2026"),
        (("restore", "/b", "--data", "/d", "--at", "2026-11-29 20:15"), {}, "has no time zone; add +01:00"),
        (("restore", "/b"), {}, "requires an argument"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(
    arguments: tuple[str, ...], settings: dict[str, str], sentence: str
) -> None:
    done = evently(*arguments, **settings)
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [("migrate",), ("work",), ("audit",), ("admin", "create", "ann@example.org")]
)
def test_trouble_is_said_in_a_sentence(command: tuple[str, ...]) -> None:
    done = evently(*command, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.startswith("evently: ")
    assert "127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "sqlalche.me" not in done.stderr


def test_passwords_are_not_said() -> None:
    done = evently("migrate", database_url="postgresql://somebody:opensesame@127.0.0.1:1/nothing")
    assert done.returncode == 3
    assert "opensesame" not in done.stderr


def test_openapi_is_printed_or_written(tmp_path: Path) -> None:
    printed = evently("openapi")
    assert json.loads(printed.stdout)["openapi"] == "3.1.0"
    assert evently("openapi", "--write", str(tmp_path / "docs")).returncode == 0
    assert (tmp_path / "docs" / "openapi.json").read_text(encoding="utf-8") == printed.stdout
    assert json.loads((tmp_path / "docs" / "postman.json").read_text(encoding="utf-8"))["item"]
