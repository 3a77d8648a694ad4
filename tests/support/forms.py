"""What a browser sends of a form: inputs, check boxes that are set, text areas, chosen options."""

from __future__ import annotations

from html.parser import HTMLParser


class _Fields(HTMLParser):
    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action
        self.inside = self.found = False
        self.fields: dict[str, str] = {}
        self.choice = self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = given.get("action") == self.action and given.get("method") == "post"
            self.found |= self.inside
        if not self.inside:
            return
        name = given.get("name", "")
        if tag == "input" and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.fields[name] = given.get("value", "")
        elif tag == "select":
            self.choice = name
        elif tag == "option" and (self.choice not in self.fields or "selected" in given):
            self.fields[self.choice] = given.get("value", "")
        elif tag == "textarea":
            self.area, self.fields[name] = name, ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea" and self.area:
            self.fields[self.area] = self.fields[self.area].removeprefix("\n")  # HTML 13.1.2.5
            self.area = ""


def form_of(text: str, action: str) -> dict[str, str]:
    """Return what the form to `action` on a page would send as it stands there."""
    parser = _Fields(action)
    parser.feed(text)
    assert parser.found, f"the page has no form to {action}"
    return parser.fields
