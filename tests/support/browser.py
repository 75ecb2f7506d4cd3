"""A browser of the owner's, without JavaScript: keeps cookies, fills in forms, follows no redirect by itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from yarl import URL

from node import passwords
from node.storage import profile
from tests.support.client import lines
from tests.support.homes import Home


@dataclass
class Form:
    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", "")))
        elif tag == "input" and self.forms and given.get("type") != "password":
            self.forms[-1].fields[given.get("name", "")] = given.get("value", "")


@dataclass
class Page:
    status: int
    headers: Any
    html: str

    @property
    def location(self) -> str:
        return str(self.headers.get("Location", ""))

    def form(self, number: int = 0) -> Form:
        parser = _Forms()
        parser.feed(self.html)
        return parser.forms[number]


QUICK = (1, 8, 1)
"""Parameters of argon2 with which a login takes no time. What the node itself takes is tested in
tests/stories/test_password.py, and once in tests/web/test_signin.py."""


async def give_password(home: Home, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner's, to log in with as often as a test likes."""
    monkeypatch.setattr(passwords, "COSTS", QUICK)  # else the first login renews the hash
    async with home.node.store.write() as tx:
        await profile.set_password_hash(tx, passwords.hashed(password))


class Browser:
    def __init__(self, home: Home) -> None:
        self.home = home
        self.cookies: dict[str, str] = {}
        self.set_cookies: list[str] = []

    async def go(self, method: str, path: str, **how: Any) -> Page:
        headers = {"Accept": "text/html", **how.pop("headers", {})}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = URL(path if path.startswith("http") else self.home.base + path, encoded=True)
        async with (await lines()).request(method, url, headers=headers, allow_redirects=False, **how) as response:
            self.set_cookies = response.headers.getall("Set-Cookie", [])
            for name, morsel in response.cookies.items():
                if morsel["max-age"] == "0" or not morsel.value:
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
            return Page(response.status, response.headers, await response.text())

    async def get(self, path: str, **how: Any) -> Page:
        return await self.go("GET", path, **how)

    async def send(self, page: Page, number: int = 0, *, headers: dict[str, str] | None = None, **more: str) -> Page:
        """Fill in a form of a page, and send it."""
        form = page.form(number)
        return await self.go("POST", form.action, data={**form.fields, **more}, headers=headers or {})

    async def log_in(self, password: str, to: str = "/access") -> Page:
        return await self.send(await self.get(f"/login?next={to}"), password=password)
