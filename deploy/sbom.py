"""Print a software bill of materials (CycloneDX 1.6, JSON) of the image that this runs in.

It lists what Debian's packages, Python's packages and the files from npm say about themselves: name, version,
licence, and the address (purl) by which scanners find known faults. It needs the standard library alone.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

PACKAGES: Final = Path("/opt/evently/lib").glob("python3.*/site-packages")
DPKG_FORMAT: Final = "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"
VENDORED: Final = ("evently/web/static/vendor", "evently/tickets/vendor")


def main() -> None:
    """Print the document."""
    found = sorted([*debian(), *python(), *npm()], key=lambda each: str(each["purl"]))
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": next(each for each in found if each["name"] == "evently")},
        "components": [each for each in found if each["name"] != "evently"],
    }
    json.dump(document, sys.stdout, indent=1, ensure_ascii=False)


def debian() -> Iterator[dict[str, Any]]:
    """Yield Debian's packages."""
    command = ["/usr/bin/dpkg-query", "--show", f"--showformat={DPKG_FORMAT}"]
    for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines():
        name, version, architecture, status = line.split("\t")
        if status == "installed":
            yield component(name, version, f"deb/debian/{name}@{quote(version)}?arch={architecture}")


def python() -> Iterator[dict[str, Any]]:
    """Yield Python's packages, with their licences."""
    for package in importlib.metadata.distributions(path=[str(path) for path in PACKAGES]):
        name, version = package.metadata["Name"], package.version
        licence = package.metadata.get("License-Expression") or package.metadata.get("License") or ""
        yield component(name, version, f"pypi/{normal(name)}@{quote(version)}", licence.partition("\n")[0])


def npm() -> Iterator[dict[str, Any]]:
    """Yield the packages whose files the build copied from npm."""
    for site in Path("/opt/evently/lib").glob("python3.*/site-packages"):
        for place in VENDORED:
            versions = json.loads((site / place / "versions.json").read_text(encoding="utf-8"))
            for name, version in versions.items():
                yield component(name, version, f"npm/{quote(name)}@{quote(version)}")


def component(name: str, version: str, address: str, licence: str = "") -> dict[str, Any]:
    """Return a component."""
    purl = f"pkg:{address}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    return found | ({"licenses": [{"license": {"name": licence}}]} if licence else {})


def normal(name: str) -> str:
    """Return the name as the registry writes it (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
