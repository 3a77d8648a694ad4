"""The README's tour, pasted into a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.load.test_kill import reachable, serving

ROOT = Path(__file__).parent.parent.parent


def test_the_tour_works_when_pasted(tmp_path: Path) -> None:
    """Each block runs without an error, and says what the README says it will."""
    blocks = re.findall(r"^```sh tour\n(.*?)^```$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    here = tmp_path / "here"
    binaries = here / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "evently"):
        (binaries / name).symlink_to(Path(sys.executable).parent / name)
    with serving(reachable(tmp_path), 1, "--demo") as server:
        environment = os.environ | {"HERE": f"http://{server.target.authority()}"}
        script = "set -euo pipefail\n" + "\n".join(blocks)
        done = subprocess.run(["bash", "-c", script], cwd=here, env=environment, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    said = done.stdout
    for expected in (
        "HTTP/1.1 201",
        "idempotent-replayed: true",
        '"code":"invalid"',
        '"code":"key-reused"',
        '"state": "void"',
        "True",
        "confirmed",
    ):
        assert expected in said, expected
    report = (here / "rehearsal.html").read_text(encoding="utf-8")
    assert "<svg" in report
