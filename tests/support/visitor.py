"""A browser without script, as a page sees it: cookies, forms, and where a form leads."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlencode

import httpx2

from tests.support.box_office import BoxOffice

HOST = "http://evently.test"


class Visitor:
    """Reads pages and sends forms as a browser does; keeps cookies; `headers` go with every request."""

    def __init__(self, office: BoxOffice, session: dict[str, str] | None = None) -> None:
        transport = office.client._transport  # the application in this process
        self.client = httpx2.AsyncClient(transport=transport, base_url=HOST)
        self.headers: dict[str, str] = {"accept": "text/html,*/*;q=0.8"}
        self.page: httpx2.Response | None = None
        if session is not None:
            token = session["Authorization"].removeprefix("Bearer ")
            self.client.cookies.set("evently", f"evb_unknown.{token}", domain="evently.test")

    async def read(self, address: str, **headers: str) -> str:
        """Read a page and follow where it leads; return its text."""
        self.page = await self.client.get(address, headers=self.headers | headers, follow_redirects=True)
        return self.text

    async def send(
        self, action: str, fields: dict[str, str] | list[tuple[str, str]], *, site: str = "same-origin"
    ) -> str:
        """Send a form and follow where it leads; return the text of that page."""
        headers = self.headers | {
            "content-type": "application/x-www-form-urlencoded",
            "sec-fetch-site": site,
        }
        self.page = await self.client.post(
            action, content=urlencode(fields), headers=headers, follow_redirects=True
        )
        return self.text

    async def submit(self, action: str, **typed: str) -> str:
        """Fill in the form of the page that leads to `action`, with its hidden fields, and send it."""
        fields = self.form(action) | typed
        return await self.send(action, fields)

    def form(self, action: str) -> dict[str, str]:
        """Return the fields of a form of the page, as they stand there."""
        found = re.search(rf'<form[^>]*action="{re.escape(action)}".*?</form>', self.text, re.DOTALL)
        assert found, f"the page has no form to {action}"
        fields = {}
        for tag in re.findall(r"<input[^>]*>", found[0]):
            name = re.search(r'name="([^"]*)"', tag)
            value = re.search(r'value="([^"]*)"', tag)
            chosen = 'type="radio"' not in tag or " checked" in tag
            if name and chosen and 'type="checkbox"' not in tag:
                fields[name[1]] = unescape(value[1]) if value else ""
        return fields

    @property
    def text(self) -> str:
        """The text of the page."""
        assert self.page is not None, "no page was read"
        return self.page.text

    @property
    def status(self) -> int:
        """The status of the page."""
        assert self.page is not None, "no page was read"
        return self.page.status_code

    @property
    def path(self) -> str:
        """The address of the page."""
        assert self.page is not None, "no page was read"
        return self.page.url.path

    def heading(self) -> str:
        """Return the only first heading of the page, as plain text."""
        found = re.findall(r"<h1[^>]*>(.*?)</h1>", self.text, re.DOTALL)
        assert len(found) == 1, f"a page has one h1, this one has {len(found)}"
        return unescape(re.sub(r"<[^>]*>", "", found[0])).strip()
