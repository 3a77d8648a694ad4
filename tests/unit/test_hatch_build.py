"""The build hook: packages are pinned, kept by name, and fetched again after a failure."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import os
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evently.tickets import typefaces

ROOT = Path(__file__).parents[2]


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


HOOK: Any = _load()


def archive_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program called npm first, which packs what lies in a directory. Returns the directory."""
    shelf, programs = tmp_path / "shelf", tmp_path / "programs"
    shelf.mkdir()
    programs.mkdir()
    program = programs / "npm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        "name = sys.argv[2].replace('/', '-').replace('@', '') + '.tgz'\n"
        "target = next(each for each in sys.argv if each.startswith('--pack-destination='))\n"
        f"found = pathlib.Path({str(shelf)!r}) / name\n"
        "shutil.copy(found, target.partition('=')[2]); print(name)\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    return shelf


def shelve(shelf: Path, name: str, **files: bytes) -> Any:
    content = archive_of(**files)
    (shelf / (f"{name}@1.0.0".replace("/", "-").replace("@", "") + ".tgz")).write_bytes(content)
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return HOOK.Package(name, "1.0.0", f"sha512-{digest}", tuple(files))


def test_named_files_are_kept_as_bytes(npm: Path, tmp_path: Path) -> None:
    font = bytes(range(256))
    package = shelve(npm, "@scope/letters", LICENSE=b"free", font=font)
    only = package._replace(files=("font",))
    HOOK.fetch_all(tmp_path / "kept", (only,))
    assert [path.name for path in (tmp_path / "kept" / "letters").iterdir()] == ["font"]
    assert (tmp_path / "kept" / "letters" / "font").read_bytes() == font


def test_what_is_there_is_not_fetched_again(npm: Path, tmp_path: Path) -> None:
    package = shelve(npm, "letters", font=b"1")
    HOOK.fetch_all(tmp_path / "kept", (package,))
    for each in npm.iterdir():
        each.unlink()
    HOOK.fetch_all(tmp_path / "kept", (package,))
    with pytest.raises(Exception, match="npm"):
        HOOK.fetch_all(tmp_path / "kept", (package, package._replace(name="others")))


def test_another_archive_is_refused_and_leaves_no_stamp(npm: Path, tmp_path: Path) -> None:
    good = shelve(npm, "good", font=b"1")
    forged = shelve(npm, "forged", font=b"2")._replace(integrity=good.integrity)
    with pytest.raises(ValueError, match=r"forged 1\.0\.0 is not the archive that was pinned"):
        HOOK.fetch_all(tmp_path / "kept", (good, forged))
    assert not (tmp_path / "kept" / HOOK.STAMP).exists()
    assert not (tmp_path / "kept" / "forged").exists()


def test_every_package_is_pinned_and_brings_its_licence() -> None:
    for package in (*HOOK.PACKAGES, *HOOK.TYPEFACES):
        assert package.integrity.startswith("sha512-"), package.name
        assert len(base64.b64decode(package.integrity.removeprefix("sha512-"))) == 64, package.name
        assert any("LICENSE" in name for name in package.files), package.name


def test_typefaces_are_put_where_tickets_find_them() -> None:
    assert ROOT / HOOK.TICKET_TYPEFACES == typefaces.FETCHED
    names = {package.name.rpartition("/")[2] for package in HOOK.TYPEFACES}
    assert len(names) == len(HOOK.TYPEFACES), "each has a directory of its own"
