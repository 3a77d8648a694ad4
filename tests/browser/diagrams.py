"""Draw the diagrams of the documents as pictures: `docs/diagrams`.

    make diagrams

The documents hold diagrams as text (Mermaid), and those of tables are compared with the schema by a test.
Mermaid draws processes and sequences; Graphviz draws tables, of which Mermaid makes one long row. A picture
carries the digest of its text, so a test knows which picture is of an older text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import async_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.support.npm import npm_file

DOCS: Final = Path(__file__).parent.parent.parent / "docs"
PICTURES: Final = DOCS / "diagrams"
_PARTS: Final = re.compile(
    r"^#+ (?P<heading>[^\n]+)$|^```mermaid\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_OVERVIEW: Final = "data-model"
_TABLES: Final = "erDiagram\n"
_TABLE: Final = re.compile(r"^    (\w+) \{\n(.*?)^    \}$", re.MULTILINE | re.DOTALL)
_COLUMN: Final = re.compile(r"^        (\S+) (\w+)((?:,? [PFU]K)*)", re.MULTILINE)
_LINE: Final = re.compile(r"^    (\w+) \|\|(--|\.\.)(o\{|o\|) (\w+) : \"([^\"]+)\"$", re.MULTILINE)
_DRAW: Final = "async ([name, text]) => (await mermaid.render(name, text)).svg"
_DRAW_GRAPH: Final = "async text => (await Viz.instance()).renderString(text, { format: 'svg' })"
_PAGE: Final = "http://diagrams.invalid/"  # no server: the scripts want a page with an address
_DIGEST_CHARACTERS: Final = 16
_STYLE: Final[dict[str, Any]] = {
    "startOnLoad": False,
    "securityLevel": "strict",
    "htmlLabels": False,  # an image has no HTML inside
    "theme": "base",
    "themeVariables": {
        "fontFamily": "Instrument Sans, Liberation Sans, Arial, sans-serif",
        "fontSize": "15px",
        "primaryColor": "#eef3fb",
        "primaryBorderColor": "#4063b8",
        "primaryTextColor": "#16203a",
        "lineColor": "#5b6780",
        "textColor": "#16203a",
        "tertiaryColor": "#f8f6f1",
        "tertiaryBorderColor": "#c9c2b2",
        "noteBkgColor": "#fdf3d7",
        "noteBorderColor": "#d8b24a",
    },
    "flowchart": {"htmlLabels": False, "curve": "basis"},
    "sequence": {"mirrorActors": False, "useMaxWidth": False},
    "er": {"useMaxWidth": False},
}
_GRAPH: Final = """digraph {
graph [rankdir=LR, nodesep=0.25, ranksep=0.9, bgcolor="white", fontname="Helvetica"];
node [shape=plain, fontname="Helvetica", fontsize=11, color="#4063b8"];
edge [fontname="Helvetica", fontsize=9, color="#5b6780", fontcolor="#5b6780"];"""
_INK: Final = "#16203a"
_GREY: Final = "#5b6780"
_HEADS: Final = {"o{": "crowodot", "o|": "teeodot"}  # any number of them; at most one


class Diagram(NamedTuple):
    """A diagram of a document. `name`: of its picture, after the document and the heading above it."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """Return what the picture carries of the text."""
        return sha256(self.text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


def diagrams_of(document: Path) -> Iterator[Diagram]:
    """Yield the diagrams of a document; two under one heading are numbered."""
    heading, number = "", 1
    for part in _PARTS.finditer(document.read_text(encoding="utf-8")):
        if part["heading"]:
            heading, number = re.sub(r"[^a-z0-9]+", "-", part["heading"].lower()).strip("-"), 1
            continue
        suffix = f"-{number}" if number > 1 else ""
        yield Diagram(f"{document.stem}-{heading}{suffix}", part["text"])
        number += 1


def all_diagrams() -> list[Diagram]:
    """Return the diagrams of all documents, and `data-model`: all tables in one."""
    found = [each for document in sorted(DOCS.glob("*.md")) for each in diagrams_of(document)]
    tables = [each.text for each in found if each.text.startswith(_TABLES)]
    return [Diagram(_OVERVIEW, "".join(tables)), *found]


def digest_in(picture: Path) -> str | None:
    """Return the digest of the text that a picture was drawn from."""
    found = re.search(r"<!-- of ([0-9a-f]+) -->", picture.read_text(encoding="utf-8"))
    return found[1] if found else None


def graph_of(text: str) -> str:
    """Return a diagram of tables in the language of Graphviz; it leaves out the comments of columns."""
    tables, lines = _TABLE.findall(text), _LINE.findall(text)
    drawn = {table for table, _ in tables}
    return "\n".join(
        [
            _GRAPH,
            *[_box(table, _COLUMN.findall(columns)) for table, columns in tables],
            *[f"{each} [shape=box];" for line in lines for each in (line[0], line[3]) if each not in drawn],
            *[_edge(*line) for line in lines],
            "}",
        ]
    )


def overview_of(text: str) -> str:
    """Return a graph of all tables without their columns, with the foreign keys between them."""
    keys = [line for line in _LINE.findall(text) if line[1] == "--"]
    return "\n".join(
        [
            _GRAPH,
            *[_box(table, []) for table, _ in _TABLE.findall(text)],
            *[_edge(*line) for line in keys],
            "}",
        ]
    )


def _box(table: str, columns: Sequence[tuple[str, str, str]]) -> str:
    rows = "".join(
        f'<tr><td align="left"><font color="{_INK if keys else _GREY}">{name}</font></td>'
        f'<td align="left"><font color="{_GREY}">{kind}{keys.replace(",", "")}</font></td></tr>'
        for kind, name, keys in columns
    )
    head = f'<tr><td colspan="2" bgcolor="#dfe8f8"><font color="{_INK}">{table}</font></td></tr>'
    return f'{table} [label=<<table border="1" cellborder="0" cellspacing="0">{head}{rows}</table>>];'


def _edge(parent: str, kind: str, end: str, child: str, label: str) -> str:
    style = "solid" if kind == "--" else "dashed"
    return f'{parent} -> {child} [label="{label}", style={style}, arrowhead={_HEADS[end]}];'


async def draw() -> None:
    """Draw all pictures, and remove those whose diagram is gone."""
    mermaid = npm_file(
        "mermaid",
        "11.17.2",
        "sha512-V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg==",
        "dist/mermaid.min.js",
    )
    graphviz = npm_file(
        "@viz-js/viz",
        "3.31.0",
        "sha512-r7zlQdRvcwvIpjHGgs+KNWHeE/P5/Dq7k8ZAKaMCbZqomxCBJV78gVuQYaHzFVca+kB0mX0fMW9UFevCOBG50A==",
        "dist/viz-global.js",
    )
    PICTURES.mkdir(exist_ok=True)
    diagrams = all_diagrams()
    for picture in PICTURES.glob("*.svg"):
        if picture.stem not in {each.name for each in diagrams}:
            picture.unlink()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = await browser.new_page(viewport={"width": 1600, "height": 1200})
        await page.route(_PAGE, lambda route: route.fulfill(body="<body></body>", content_type="text/html"))
        await page.goto(_PAGE)
        await page.add_script_tag(content=mermaid)
        await page.add_script_tag(content=graphviz)
        await page.evaluate("style => mermaid.initialize(style)", _STYLE)
        for diagram in diagrams:
            if diagram.text.startswith(_TABLES):
                graph = (overview_of if diagram.name == _OVERVIEW else graph_of)(diagram.text)
                drawn = await page.evaluate(_DRAW_GRAPH, graph)
            else:
                drawn = await page.evaluate(_DRAW, [diagram.name, diagram.text])
            marked = drawn.replace("</svg>", f"<!-- of {diagram.digest} --></svg>")
            (PICTURES / f"{diagram.name}.svg").write_text(marked + "\n", encoding="utf-8")
            print(diagram.name)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(draw())
