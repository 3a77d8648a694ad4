"""Other people's clients: linters find nothing, generators understand the document, and its clients work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from evently.web.collection import WALK
from evently.web.edge.postman import unwalked
from tests.support.npm import SECONDS_MAX, node, npm_program
from tests.support.serving import environment, serving

pytestmark = pytest.mark.timeout(2 * SECONDS_MAX)  # other tests run on the same cores

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs" / "openapi.json"
COLLECTION: Final = ROOT / "docs" / "postman.json"
CLIENTS: Final = ROOT / "docs" / "clients.md"
WALKED: Final = (r"^booked: [0-9A-Z]{4}-[0-9A-Z]{4}$", r"^cancelled: cancelled$", r"^a page of bookings\b.*-")


@pytest.fixture(scope="module")
def here(shared_database_url: str) -> Iterator[str]:
    """Yield the URL of a server with the demo, at the rates that everybody gets."""
    with serving("--demo", database_url=shared_database_url, access_log="false", workers="1") as server:
        yield server.url


# Linters and generators -------------------------------------------------------------------------------------


def test_spectral_finds_nothing() -> None:
    rules = ROOT / "tests" / "clients" / "spectral.yaml"
    done = npm_program("spectral", "lint", "--ruleset", str(rules), "--fail-severity", "hint", str(DOCUMENT))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_redocly_finds_nothing() -> None:
    rules = ROOT / "tests" / "clients" / "redocly.yaml"
    done = npm_program("redocly", "lint", "--config", str(rules), "--format", "json", str(DOCUMENT))
    found = json.loads(done.stdout)
    assert found["problems"] == [], found["problems"][:10]
    assert done.returncode == 0, done.stderr[-2000:]


def test_typescript_is_generated_and_compiles(tmp_path: Path) -> None:
    types = tmp_path / "evently.d.ts"
    done = npm_program("openapi-typescript", str(DOCUMENT), "-o", str(types))
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "walk.ts").write_text(
        """
        import type { operations, components } from "./evently";
        type Booked = operations["placeBooking"]["responses"][201]["content"]["application/json"];
        type Problem = components["schemas"]["Problem"];
        declare const booked: Booked, problem: Problem, seats: components["schemas"]["SeatsView"];
        export const reference: string = booked.reference;
        export const code: string = problem.code;
        export const change: [number, string] = seats.changes![0];
        // @ts-expect-error: there is no such field
        booked.colour;
        """,
        encoding="utf-8",
    )
    done = npm_program("tsc", "--noEmit", "--strict", "--skipLibCheck", str(tmp_path / "walk.ts"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the Python client; returns the directory of its package."""
    place = tmp_path_factory.mktemp("clients")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--fail-on-warning"),
            *("--path", str(DOCUMENT), "--output-path", str(place / "evently_client")),
            *("--meta", "none", "--config", str(ROOT / "tests" / "clients" / "python.yaml")),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return place


GENERATED_WALK: Final = """
import sys
from uuid import uuid4

from evently_client import AuthenticatedClient, Client
from evently_client.api.accounts import login
from evently_client.api.bookings import cancel_booking, list_my_bookings, place_booking
from evently_client.api.events import get_event, list_events
from evently_client.models import BookingBody, BookingLineBody, BookingView, CancelBody, LoginBody, Problem

here = sys.argv[1]
account = LoginBody(email="buyer@evently.example", password="evently-demo")
tokens = login.sync(client=Client(base_url=here), body=account)
client = AuthenticatedClient(base_url=here, token=tokens.access_token)

found = list_events.sync(client=client, q="repair cafe", available=True, limit=1)
event = get_event.sync(found.data[0].id, client=client)
line = BookingLineBody(ticket_type_id=event.ticket_types[0].id, quantity=2)
key = str(uuid4())

booking = place_booking.sync(event.id, client=client, body=BookingBody(lines=[line]), idempotency_key=key)
assert isinstance(booking, BookingView), booking
print("booked:", booking.reference)
wish = BookingBody(lines=[line])
again = place_booking.sync_detailed(event.id, client=client, body=wish, idempotency_key=key)
assert again.headers["idempotent-replayed"] == "true" and again.parsed.id == booking.id

too_many = BookingLineBody(ticket_type_id=line.ticket_type_id, quantity=90)
refused = place_booking.sync(event.id, client=client, body=BookingBody(lines=[too_many]))
assert isinstance(refused, Problem) and refused.code == "over-booking-limit", refused

booking = cancel_booking.sync(booking.id, client=client, body=CancelBody())
print("cancelled:", booking.state)

seen, after = [], {}
while True:
    page = list_my_bookings.sync(client=client, limit=2, **after)
    seen += [each.id for each in page.data]
    print("a page of bookings:", *(each.reference for each in page.data))
    if page.next_cursor is None:
        break
    after = {"after": page.next_cursor}
assert len(seen) == len(set(seen)) and booking.id in seen
"""


def test_the_generated_python_client_takes_the_walk(here: str, generated: Path) -> None:
    for _ in "123":  # then the history has more than one page
        done = subprocess.run(
            [sys.executable, "-c", GENERATED_WALK, here],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            cwd=generated,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    _check_walk(done.stdout)
    assert len(re.findall(r"^a page of bookings", done.stdout, re.MULTILINE)) >= 2


# The document -----------------------------------------------------------------------------------------------


def block(language: str) -> str:
    (found,) = re.findall(
        rf"^```{language} walk\n(.*?)^```$", CLIENTS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


def _check_walk(said: str) -> None:
    for line in WALKED:
        assert re.search(line, said, re.MULTILINE), (line, said)


@pytest.mark.parametrize("language", ["bash", "python", "javascript"])
def test_the_walk_of_the_document_works_when_pasted(here: str, tmp_path: Path, language: str) -> None:
    if language == "javascript":
        script = tmp_path / "walk.mjs"
        script.write_text(block(language), encoding="utf-8")
        done = node(script, HERE=here)
    else:
        command = ["bash", "-euo", "pipefail", "-c"] if language == "bash" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, block(language)],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            cwd=tmp_path,
            env=environment() | {"HERE": here},
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    _check_walk(done.stdout)


# The collection ---------------------------------------------------------------------------------------------


def test_every_operation_has_a_step_in_the_collection() -> None:
    """But for streams, which do not end: no request of a collection can read one."""
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert unwalked(document, WALK) == [], "add steps to src/evently/web/collection.py"


def test_the_collection_passes_from_top_to_bottom(here: str, tmp_path: Path, *, prove: bool) -> None:
    """And, with --prove, once more on the same server."""
    for number in "12" if prove else "1":
        report = tmp_path / f"run-{number}.json"
        done = npm_program(
            *("newman", "run", str(COLLECTION), "--env-var", f"baseUrl={here}", "--timeout-request", "20000"),
            *("--reporters", "json", "--reporter-json-export", str(report)),
        )
        run = json.loads(report.read_text(encoding="utf-8"))["run"]
        assert _failures(run) == []
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert run["stats"]["assertions"]["total"] >= 1.7 * run["stats"]["items"]["total"]


def _failures(run: dict[str, Any]) -> list[str]:
    return [f"{each['source'].get('name')}: {each['error']['message']}" for each in run["failures"]]
