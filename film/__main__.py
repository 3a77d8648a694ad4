"""Make the film: `make film`, or `python -m film race door` for some scenes, into `var/film`.

A demo is served, the scenes are played and filmed, and `ffmpeg` puts them together. The whole takes about ten
minutes. Nothing else should run meanwhile: what is slow shows.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
from pathlib import Path
from typing import Final

import psycopg
from playwright.async_api import Browser, async_playwright

from evently import demo
from evently.db import DatabaseOptions
from evently.rehearsal.server import scratch_directory
from film.cutting import Shot, shots_of, write_film, write_subtitles
from film.footage import Footage
from film.scenes import PLAYS, Stage
from film.script import Scene, read_script
from tests.browser.conftest import ARGUMENTS, CHROMIUM, SETTINGS
from tests.browser.diagrams import PICTURES
from tests.support.box_office import open_box_office
from tests.support.postgres import cloned_database, in_database, running_server
from tests.support.serving import serving

ROOT: Final = Path(__file__).parent.parent
FILM: Final = ROOT / "docs" / "film" / "evently.mp4"
TRIAL: Final = ROOT / "var" / "film" / "evently.mp4"


async def main(wanted: list[str]) -> None:
    """Play the scenes and cut them."""
    if CHROMIUM is None or shutil.which("ffmpeg") is None:
        sys.exit("Chromium or ffmpeg not found: apt-get install chromium ffmpeg")
    script = [scene for scene in read_script() if not wanted or scene.name in wanted]
    film = TRIAL if wanted else FILM
    film.parent.mkdir(parents=True, exist_ok=True)
    with scratch_directory() as directory:
        shots = await play_all(script, directory)
        seconds = write_film(shots, film)
    write_subtitles([shot for shot, _ in shots], film.with_suffix(".srt"))
    print(f"{film.relative_to(ROOT)}: {seconds:.0f} s, {film.stat().st_size / 1e6:.1f} MB")


async def play_all(script: list[Scene], directory: Path) -> list[tuple[Shot, Footage]]:
    """Play the scenes on one stage; return their shots."""
    shots: list[tuple[Shot, Footage]] = []
    with (
        running_server() as address,
        psycopg.connect(address.socket_url, autocommit=True) as admin,
        cloned_database(admin) as name,
    ):
        url = in_database(address.socket_url, name)
        await demo.fill(DatabaseOptions(url=url))
        with serving(database_url=url, demo="true", **SETTINGS) as server:
            async with open_box_office(url, demo=True) as office, async_playwright() as playwright:
                browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                stage = Stage(office, server, browser, directory)
                for scene in script:
                    print(scene.name, flush=True)
                    footage = Footage()
                    if scene.name in PLAYS:
                        await PLAYS[scene.name](stage, footage)
                    footage.close()
                    drawings = {each: await draw(browser, each, directory) for each in scene.pictures}
                    shots += [(shot, footage) for shot in shots_of(scene, footage, drawings)]
                await browser.close()
    return shots


async def draw(browser: Browser, name: str, directory: Path) -> Path:
    """Return a diagram of the documents as a picture of points."""
    encoded = base64.b64encode((PICTURES / f"{name}.svg").read_bytes()).decode()
    page = await browser.new_page(viewport={"width": 2400, "height": 1080})
    await page.set_content(
        f'<body style="margin:0;background:#f6f3ec"><img src="data:image/svg+xml;base64,{encoded}" '
        'style="width:2400px;height:1080px;object-fit:contain">'
    )
    await page.locator("img").evaluate("image => image.decode()")
    path = directory / f"{name}.png"
    await page.screenshot(path=path)
    await page.close()
    return path


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
