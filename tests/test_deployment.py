"""The files for platforms name settings, commands and metrics that exist, and the wheel is a whole Evently.

The chart is rendered where a Helm is at hand: the program `helm`, or the Python package `helm_python`.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from evently.cli import app
from evently.config import Config
from tests.support.serving import environment

ROOT: Final = Path(__file__).parent.parent
CHART: Final = ROOT / "deploy" / "helm" / "evently"
FILES: Final = [
    *(ROOT / name for name in ("render.yaml", "railway.json", "fly.toml", "Procfile", "app.json")),
    *sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file() and path.suffix != ".lock"),
]
OF_KUBERNETES: Final = {"EVENTLY_PORT"}  # a comment of the chart
VALUES: Final[dict[str, Any]] = {
    "database": {"url": "postgresql://evently:secret@db/evently"},
    "metrics": {"podMonitor": True, "rules": True, "dashboard": True},
    "ingress": {"enabled": True, "tlsSecret": "tickets"},
}


def texts() -> Iterator[tuple[str, str]]:
    for path in FILES:
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def test_settings_that_are_named_exist() -> None:
    settings = {f"EVENTLY_{field.upper()}" for field in Config.__struct_fields__} | OF_KUBERNETES
    wrong = {
        (name, found)
        for name, text in texts()
        for found in re.findall(r"\bEVENTLY_[A-Z_]+[A-Z]\b", text)
        if found not in settings
    }
    assert wrong == set()


def test_commands_that_are_named_exist() -> None:
    found = 0
    for name, text in texts():
        for command in re.findall(
            r"(?:^|[ \"/:])evently ((?:serve|migrate|backup)(?: --?[a-z]+ [\w./]+)*)", text
        ):
            app.parse_args(command.split(), print_error=False, exit_on_error=False)
            found += 1
        assert "evently start" not in text, name
    assert found >= len(["Procfile", "Procfile", "render", "railway", "railway", "fly", "systemd", "systemd"])


def test_metrics_that_are_named_exist() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src/evently").rglob("*.py"))
    there = set(re.findall(r"(?:Counter|Gauge|Histogram)\(\s*\"(evently_\w+)\"", sources))
    dashboard = json.loads((CHART / "dashboards/evently.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += re.findall(
        r"expr: (.+(?:\n {10}.+)?)", (CHART / "alerts.yaml").read_text(encoding="utf-8")
    )
    named = {
        re.sub(r"_(total|bucket|count|sum)$", "", name)
        for expression in expressions
        for name in re.findall(r"evently_\w+", expression)
    }
    assert named
    assert named <= there


def test_the_image_and_the_platforms_agree() -> None:
    containerfile = (ROOT / "deploy/Containerfile").read_text(encoding="utf-8")
    fly = tomllib.loads((ROOT / "fly.toml").read_text(encoding="utf-8"))
    assert f"AS {fly['build']['build-target']}\n" in containerfile
    assert fly["build"]["dockerfile"] == "deploy/Containerfile"
    railway = json.loads((ROOT / "railway.json").read_text(encoding="utf-8"))
    assert (ROOT / railway["build"]["dockerfilePath"]).is_file()
    assert int(fly["env"]["PORT"]) == fly["http_service"]["internal_port"] == fly["metrics"]["port"]
    for copied in re.findall(r"^COPY ((?!--)[^\n]+) \S+$", containerfile, re.MULTILINE):
        for name in copied.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines(), name


def rendered() -> str:
    """Render the chart; skip the test without a Helm."""
    if shutil.which("helm"):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
            json.dump(VALUES, values)
            values.flush()
            command = ["helm", "template", "evently", str(CHART), "--values", values.name]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("no Helm is installed")
    chart = importlib.import_module("helm_python.chart").Chart.load(CHART)
    return "\n---\n".join(chart.render(values=VALUES, name="evently").values())


def test_the_chart_is_rendered() -> None:
    text = rendered()
    kinds = set(re.findall(r"^kind: (\w+)$", text, re.MULTILINE))
    assert kinds >= {"Deployment", "Job", "Service", "Secret", "PodDisruptionBudget", "NetworkPolicy"}
    assert kinds >= {"HorizontalPodAutoscaler", "PrometheusRule", "ConfigMap", "PodMonitor", "Ingress"}
    assert text.count("enableServiceLinks: false") == 2, "or Kubernetes sets EVENTLY_PORT"
    assert text.count("readOnlyRootFilesystem: true") == 2


@pytest.mark.timeout(300)
def test_the_wheel_serves_the_demo_outside_of_the_checkout() -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # PostgreSQL's user must enter it
        place = Path(name)
        place.chmod(0o755)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        built = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(place), str(ROOT)]
        subprocess.run([*pip, *built], check=True, capture_output=True)
        [wheel] = place.glob("*.whl")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place / "env")], check=True)
        packages = next((place / "env/lib").glob("python3.*/site-packages"))
        target = ["install", "--no-deps", "--target", str(packages), str(wheel)]
        subprocess.run([*pip, *target], check=True, capture_output=True)
        # The dependencies are those of this environment. A path in a .pth file is not searched for others, so
        # the editable installation of the checkout is not found
        dependencies = Path(str(importlib.util.find_spec("msgspec").origin)).parents[1]  # type: ignore[union-attr]
        (packages / "dependencies.pth").write_text(f"{dependencies}\n", encoding="utf-8")
        serves_the_demo(place)


def serves_the_demo(place: Path) -> None:
    python = str(place / "env/bin/python")
    command = [python, "-m", "evently", "serve", "--demo", "--port", "0", "--workers", "1", "--data", "data"]
    where = [python, "-c", "import evently; print(evently.__file__)"]
    found = subprocess.run(where, check=True, capture_output=True, text=True, cwd=place).stdout
    assert found.startswith(str(place)), "the wheel, not the checkout"
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            said = next(line for line in process.stdout if "answers at" in line)
            url = said.split()[-1]
            assert "What is on" in read(url) or "<main" in read(url)
            vendored = json.loads((ROOT / "src/evently/web/static/vendor/versions.json").read_text("utf-8"))
            assert vendored, "the build fetched them"
            assert "swagger" in read(f"{url}/docs")
            assert json.loads(read(f"{url}/openapi.json"))["openapi"] == "3.1.0"
            vendor = next(place.glob("env/lib/python3.*/site-packages/evently/web/static/vendor"))
            assert json.loads((vendor / "versions.json").read_text("utf-8")) == vendored
            assert list(vendor.parents[2].glob("tickets/vendor/*/*.ttf"))
        finally:
            process.terminate()
            process.wait(60)


def read(url: str) -> str:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own server
                text: str = answer.read().decode()
                return text
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
