"""The README's tour, pasted into a shell beside a server with the demo."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.postgres import scratch_directory
from tests.support.serving import environment, serving

README: Final = Path(__file__).parent.parent.parent / "README.md"
SAID: Final = (  # in this order
    r'"venue_name": ',
    r"^published$",
    r"^HTTP/1.1 201 Created",
    r"^HTTP/1.1 201 Created",
    r"^idempotent-replayed: true",
    r'"status":409,.*"code":"sold-out"',
    r'"status":422,.*"pointer":"/lines/0/ticket_type_id".*"pointer":"/lines/0/quantity".*"pointer":"/lines/1/quantity"',
    r'"state": "confirmed"',
    r'"state": "void"',
    r'"state": "valid"',
    r"^2$",
    r'"state":"(confirmed|captured)"',  # the payment
    r'"state": "confirmed"',
    r'"label": "Stalls, row',
    r'"refund": \{\s+"amount": [1-9]',
    r"^1 true .*SaleSetUp",
    r"^2 true .*SaleOpened",
    r"^3 true .*BookingConfirmed",
    r"^4 true .*TicketsCancelled",
    r'"consistent": true',
    r"^I1 +0 ",
    r"^I12 +0 ",
    r"Clean\. 100 of 100 places sold",
)


@pytest.mark.timeout(240)
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tour needs curl")
def test_the_tour_works_when_pasted(tmp_path: Path) -> None:
    """Each block runs without an error and says what the README says it will."""
    blocks = re.findall(
        r"^```bash tour\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "evently").symlink_to(Path(sys.executable).parent / "evently")
    with (
        scratch_directory() as directory,
        serving("--demo", data=str(directory / "data"), access_log="false") as server,
    ):
        done = subprocess.run(
            ["bash", "-c", "set -euo pipefail\n" + "\n".join(blocks)],
            check=False,
            cwd=tmp_path,
            env=environment(data=str(directory / "data")) | {"HERE": server.url},
            capture_output=True,
            text=True,
            timeout=180,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    place = 0
    for expected in SAID:
        found = re.compile(expected, re.MULTILINE).search(done.stdout, place)
        assert found, f"{expected} is not in {done.stdout[place:]}"
        place = found.end()
    assert "<svg" in (tmp_path / "rehearsal.html").read_text(encoding="utf-8")
