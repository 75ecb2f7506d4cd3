"""What the page of those who are let in calls each browser."""

from __future__ import annotations

import pytest

from node.web.signin.agents import spoken
from tests.support.browser import Browser, give_password
from tests.support.homes import Home

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (FIREFOX, "Firefox on Linux"),
        (f"Mozilla/5.0 (X11; Linux x86_64) {_CHROME} Safari/537.36", "Chrome on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/142.0.0.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {_CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (f"{_MAC} Version/18.6 Safari/605.1.15", "Safari on a Mac"),
        (f"{_PHONE} Version/18.6 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{_PHONE} FxiOS/145.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{_PHONE} Mobile/15E148", "an app on iPhone"),
        ("curl/8.5.0", "a program"),
        ("Lynx/2.9.2 libwww-FM/2.14", "Lynx/2.9.2 libwww-FM/2.14"),
        ("Something (Windows NT 10.0)", "a browser on Windows"),
        ("", "a browser that does not say its name"),
        ("  ", "a browser that does not say its name"),
    ],
)
def test_a_browser_is_called_by_its_name(agent: str, said: str) -> None:
    assert spoken(agent) == said


async def test_the_page_says_which_browsers_are_let_in(alice: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await give_password(alice, "a long and rainy summer", monkeypatch)
    browser = Browser(alice)
    page = await browser.get("/login?next=/access")
    await browser.send(page, password="a long and rainy summer", headers={"User-Agent": FIREFOX})
    shown = (await browser.get("/access")).html
    assert f'<b dir="auto" title="{FIREFOX}">Firefox on Linux</b>' in shown
